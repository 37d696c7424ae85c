import { type ReactNode, useMemo } from "react";
import { Figure, Price, Signed } from "../../components/figures";
import { type Column, Grid } from "../../components/grid";
import { reason } from "../../components/why";
import { round, show } from "../../format/number";
import { ago, dateTime, millis } from "../../format/time";
import { useInstrument } from "../../shell/user";
import { type Summary, summaries, type Trip } from "./trips";

const UNCLEAR =
  "An execution was taken back or put right, and it is not told which one: no figure of this trip is sure.";
/** Digits that an average has beyond those of a price. */
const AVERAGE_DIGITS = 2;

/** What stands in place of an entry that is not known. */
function missing(trip: Trip, hasMore: boolean): string {
  if (trip.state === "unclear") return "unclear";
  return hasMore ? "entry not loaded" : "entry not kept";
}

function stateOf(trip: Trip, hasMore: boolean): string {
  return trip.state === "not loaded" || trip.state === "unclear" ? missing(trip, hasMore) : trip.state;
}

export const TRIP_HEAD = [
  "symbol",
  "side",
  "state",
  "entered_at",
  "left_at",
  "duration_s",
  "qty",
  "entry",
  "exit",
  "gross",
  "fees",
  "net",
  "percent",
  "currency",
  "why_entered",
  "why_left",
];

/** A trip as a file has it: amounts are exact, averages rounded. */
export function tripCells(trip: Trip, hasMore: boolean): (string | number | null | undefined)[] {
  return [
    trip.symbol,
    trip.side && (trip.side === "buy" ? "long" : "short"),
    stateOf(trip, hasMore),
    trip.entered?.at,
    trip.left?.at,
    trip.duration_ms === null ? null : trip.duration_ms / 1_000,
    trip.qty,
    trip.entry,
    trip.exit,
    trip.gross,
    trip.fees,
    trip.net,
    trip.percent,
    trip.currency,
    trip.entered && reason(trip.entered),
    trip.left && reason(trip.left),
  ];
}

function Average({ symbol, value }: { symbol: string; value: string | null }) {
  const terms = useInstrument(symbol);
  const digits = (terms?.price_decimals ?? AVERAGE_DIGITS) + AVERAGE_DIGITS;
  return <Price value={value && round(value, digits)} terms={terms} />;
}

function columnsOf(hasMore: boolean): Column<Trip>[] {
  const entered = (trip: Trip) => {
    if (trip.entered) return <span className="figures">{dateTime(trip.entered.at)}</span>;
    return (
      <span className="muted" title={trip.state === "unclear" ? UNCLEAR : undefined}>
        {missing(trip, hasMore)}
      </span>
    );
  };
  const left = (trip: Trip) => {
    if (trip.left) return <span className="figures">{dateTime(trip.left.at)}</span>;
    return <span className="muted">{trip.state === "unclear" ? "unclear" : "open"}</span>;
  };
  const lasted = ({ entered, left }: Trip) => (entered && left ? ago(entered.at, millis(left.at)) : "–");
  const why = (row: Trip["entered"]) => <span className="why">{row ? reason(row) : "–"}</span>;
  return [
    { id: "symbol", title: "Symbol", value: (row) => row.symbol, cell: (row) => row.symbol },
    {
      id: "side",
      title: "Side",
      value: (row) => row.side,
      cell: ({ side }) =>
        side ? <span className={side}>{side === "buy" ? "Long" : "Short"}</span> : <span className="muted">–</span>,
    },
    { id: "entered", title: "Entered", value: (row) => row.entered?.at, cell: entered },
    { id: "left", title: "Left", value: (row) => row.left?.at, cell: left },
    { id: "duration", title: "Duration", figure: true, value: (row) => row.duration_ms, cell: lasted },
    {
      id: "qty",
      title: "Largest quantity",
      figure: true,
      value: (row) => row.qty,
      cell: (row) => <Figure value={row.qty} />,
    },
    {
      id: "entry",
      title: "Average entry",
      figure: true,
      value: (row) => row.entry,
      cell: (row) => <Average symbol={row.symbol} value={row.entry} />,
    },
    {
      id: "exit",
      title: "Average exit",
      figure: true,
      value: (row) => row.exit,
      cell: (row) => <Average symbol={row.symbol} value={row.exit} />,
    },
    {
      id: "gross",
      title: "Gross profit",
      figure: true,
      value: (row) => row.gross,
      cell: (row) => <Signed value={row.gross} />,
    },
    {
      id: "fees",
      title: "Fees",
      figure: true,
      value: (row) => row.fees,
      cell: (row) => <Figure value={row.fees} digits={2} />,
    },
    {
      id: "net",
      title: "Net profit",
      figure: true,
      value: (row) => row.net,
      cell: (row) => <Signed value={row.net} />,
    },
    {
      id: "percent",
      title: "% of entry",
      figure: true,
      value: (row) => row.percent,
      cell: (row) => <Signed value={row.percent} />,
    },
    { id: "currency", title: "Currency", value: (row) => row.currency, cell: (row) => row.currency },
    { id: "why-entered", title: "Why entered", cell: (row) => why(row.entered) },
    { id: "why-left", title: "Why left", cell: (row) => why(row.left) },
  ];
}

function SummaryLine({ summary }: { summary: Summary }) {
  const { currency, closed, winners, win, loss, factor, net } = summary;
  return (
    <dl className="summary" aria-label={`Closed round trips in ${currency}`}>
      <div>
        <dt>Closed, {currency}</dt>
        <dd className="figures">{closed}</dd>
      </div>
      <div>
        <dt>Winners</dt>
        <dd className="figures">{winners === null ? "–" : `${show(winners, 1)}\u00a0%`}</dd>
      </div>
      <div>
        <dt>Average win</dt>
        <dd>
          <Signed value={win} />
        </dd>
      </div>
      <div>
        <dt>Average loss</dt>
        <dd>
          <Signed value={loss} />
        </dd>
      </div>
      <div>
        <dt>Profit factor</dt>
        <dd className="figures" title="What winners gained, for each unit that losers lost">
          {show(factor, 2)}
        </dd>
      </div>
      <div>
        <dt>Net profit</dt>
        <dd>
          <Signed value={net} />
        </dd>
      </div>
    </dl>
  );
}

interface RoundTripsProps {
  trips: Trip[];
  /** Whether there are older executions than those that are loaded. */
  hasMore: boolean;
  empty: ReactNode;
}

/** From flat to flat: what was gained and lost, and why it was entered and left. */
export function RoundTrips({ trips, hasMore, empty }: RoundTripsProps) {
  const columns = useMemo(() => columnsOf(hasMore), [hasMore]);
  const sums = useMemo(() => summaries(trips), [trips]);
  const cut = trips.filter((trip) => trip.state === "not loaded").length;
  return (
    <>
      {sums.map((summary) => (
        <SummaryLine key={summary.currency} summary={summary} />
      ))}
      <Grid label="Round trips" rows={trips} columns={columns} rowKey={(row) => row.id} empty={empty} />
      {cut > 0 && (
        <p className="muted note">
          {hasMore
            ? "Where the entry is not loaded, profit is not known. Load more to see it."
            : "Where the entry is older than what the gateway keeps, profit is not known."}
        </p>
      )}
    </>
  );
}
