import { useMemo, useState } from "react";
import { Button, Select, TextField } from "../../components/controls";
import { Figure, Price, SideText, words } from "../../components/figures";
import { type Column, Grid } from "../../components/grid";
import { TabPanel } from "../../components/panel";
import { save } from "../../components/save";
import { Empty, Failed, Loaded, Loading } from "../../components/states";
import { reason } from "../../components/why";
import { dateTime, dayOf } from "../../format/time";
import type { Execution } from "../../live/account";
import { type Instrument, useInstrument, useZone } from "../../shell/user";
import { csv } from "./csv";
import { useExecutionHistory } from "./executions";
import { RoundTrips, TRIP_HEAD, tripCells } from "./round-trips";
import { roundTrips } from "./trips";

const HEAD = [
  "at",
  "id",
  "order",
  "type",
  "symbol",
  "side",
  "qty",
  "price",
  "fee",
  "currency",
  "liquidity",
  "why",
  "seq",
];

export interface Wanted {
  side: "" | "buy" | "sell";
  /** Days of the user's zone, `2026-11-23`; empty: any. */
  from: string;
  to: string;
}

export function isWanted(row: Pick<Execution, "side" | "at">, { side, from, to }: Wanted): boolean {
  const day = dayOf(row.at);
  return (!side || row.side === side) && (!from || day >= from) && (!to || day <= to);
}

function PriceOf({ row }: { row: Execution }) {
  return <Price value={row.price} terms={useInstrument(row.symbol)} />;
}

const COLUMNS: Column<Execution>[] = [
  {
    id: "at",
    title: "Time",
    value: (row) => row.at,
    cell: (row) => <span className="figures">{dateTime(row.at)}</span>,
  },
  { id: "symbol", title: "Symbol", value: (row) => row.symbol, cell: (row) => row.symbol },
  { id: "side", title: "Side", value: (row) => row.side, cell: (row) => <SideText side={row.side} /> },
  { id: "qty", title: "Quantity", figure: true, value: (row) => row.qty, cell: (row) => <Figure value={row.qty} /> },
  { id: "price", title: "Price", figure: true, value: (row) => row.price, cell: (row) => <PriceOf row={row} /> },
  { id: "fee", title: "Fee", figure: true, value: (row) => row.fee, cell: (row) => <Figure value={row.fee} /> },
  { id: "currency", title: "Currency", value: (row) => row.currency, cell: (row) => row.currency },
  { id: "liquidity", title: "Role", value: (row) => row.liquidity, cell: (row) => words(row.liquidity) },
  {
    id: "why",
    title: "Why",
    cell: (row) => (
      <span className="why" title={row.why?.cause_seq ? `Input ${row.why.cause_seq} of the engine` : undefined}>
        {reason(row)}
      </span>
    ),
  },
];

type View = "executions" | "trips";

const SIDES = {
  executions: [
    ["", "Both"],
    ["buy", "Buy"],
    ["sell", "Sell"],
  ],
  trips: [
    ["", "Both"],
    ["buy", "Long"],
    ["sell", "Short"],
  ],
} as const;

function executionCells(row: Execution): (string | null | undefined)[] {
  return [
    row.at,
    row.id,
    row.order,
    row.type,
    row.symbol,
    row.side,
    row.qty,
    row.price,
    row.fee,
    row.currency,
    row.liquidity,
    reason(row),
    row.seq,
  ];
}

/** What was executed, one by one and from flat to flat. */
export function Trades({ account, instruments }: { account: string; instruments: readonly Instrument[] }) {
  const [view, setView] = useState<View>("executions");
  const [symbol, setSymbol] = useState("");
  const [wanted, setWanted] = useState<Wanted>({ side: "", from: "", to: "" });
  const { query: pages, rows: all, held, isOld } = useExecutionHistory(account, symbol);
  const zone = useZone();
  // biome-ignore lint/correctness/useExhaustiveDependencies: days are those of the zone
  const rows = useMemo(() => all.filter((row) => isWanted(row, wanted)), [all, wanted, zone]);
  const allTrips = useMemo(() => {
    if (view !== "trips" || !held || isOld) return [];
    return roundTrips(all, held, (name) => instruments.find((one) => one.symbol === name)?.multiplier);
  }, [view, all, held, isOld, instruments]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: days are those of the zone
  const trips = useMemo(() => allTrips.filter((trip) => isWanted(trip, wanted)), [allTrips, wanted, zone]);
  const last = all.at(-1);
  const isPast = wanted.from !== "" && last !== undefined && dayOf(last.at) < wanted.from;
  // The newest come first: what follows is older still. An entry may be older than what is asked for.
  const hasMore =
    pages.hasNextPage && (!isPast || (view === "trips" && trips.some((trip) => trip.state === "not loaded")));
  const count = view === "trips" ? trips.length : rows.length;
  const exportRows = () => {
    const text =
      view === "trips"
        ? csv(
            TRIP_HEAD,
            trips.map((trip) => tripCells(trip, pages.hasNextPage)),
          )
        : csv(HEAD, rows.map(executionCells));
    save(`${view === "trips" ? "round-trips" : "executions"}-${dayOf(Date.now())}.csv`, text, "text/csv");
  };
  const nothing = (title: string, about: string) => (
    <Empty title={all.length > 0 ? "None is like that" : title}>
      {all.length === 0 ? about : hasMore ? "Load more, or ask for less." : "Change what is asked for above."}
    </Empty>
  );
  const trading = () => {
    if (isOld) {
      return pages.isError ? <Failed error={pages.error} retry={() => void pages.refetch()} /> : <Loading rows={6} />;
    }
    if (!held) {
      return <Empty title="Not known">The gateway does not tell what was held when these were executed.</Empty>;
    }
    return (
      <RoundTrips
        trips={trips}
        hasMore={pages.hasNextPage}
        empty={nothing("No round trips yet", "What is traded from flat to flat is here, with its profit.")}
      />
    );
  };
  const content = () => (
    <>
      <div className="filters">
        <Select
          label="Symbol"
          value={symbol}
          options={[["", "All"], ...instruments.map((one) => [one.symbol, one.symbol] as const)]}
          onChange={setSymbol}
        />
        <Select
          label="Side"
          value={wanted.side}
          options={SIDES[view]}
          onChange={(side) => setWanted({ ...wanted, side })}
        />
        <TextField
          label="From"
          type="date"
          value={wanted.from}
          onChange={(event) => setWanted({ ...wanted, from: event.target.value })}
        />
        <TextField
          label="To"
          type="date"
          value={wanted.to}
          onChange={(event) => setWanted({ ...wanted, to: event.target.value })}
        />
      </div>
      <Loaded query={pages} rows={6}>
        {() => (
          <>
            {view === "trips" ? (
              trading()
            ) : (
              <Grid
                label="Executions"
                rows={rows}
                columns={COLUMNS}
                rowKey={(row) => row.id}
                empty={nothing("No executions yet", "Every execution of the account is here, with the reason for it.")}
              />
            )}
            {hasMore && (
              <div className="more">
                <Button small busy={pages.isFetchingNextPage} onClick={() => void pages.fetchNextPage()}>
                  More
                </Button>
              </div>
            )}
          </>
        )}
      </Loaded>
    </>
  );
  return (
    <TabPanel
      label="Trades"
      className="trades"
      chosen={view}
      onChoose={(id) => setView(id as View)}
      tabs={[
        { id: "executions", title: "Executions", content },
        { id: "trips", title: "Round trips", content },
      ]}
      actions={
        <Button small onClick={exportRows} disabled={count === 0}>
          Export {count} as CSV
        </Button>
      }
    />
  );
}
