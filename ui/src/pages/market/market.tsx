import { useQuery } from "@tanstack/react-query";
import { useMemo, useRef, useState } from "react";
import { Link, useLocation } from "wouter";
import { api, take } from "../../api/client";
import { ApiError } from "../../api/error";
import { TextField } from "../../components/controls";
import { words } from "../../components/figures";
import { type Column, Grid } from "../../components/grid";
import { Empty, Loaded } from "../../components/states";
import { type Quote, useLink } from "../../live/market";
import { useKeys } from "../../shell/keys";
import { chooseSymbol, type Instrument, useInstruments, useMay, useSession } from "../../shell/user";
import { Ask, AsOf, Bid, Day, Last, Spread, Status } from "./cells";
import { Spark } from "./spark";
import { useWatchlists, WatchBar, WatchStar } from "./watch";
import "./market.css";

/** How often all quotes are asked for: what rows are sorted by, and what is seen before a row's own quote comes. */
const SNAPSHOT_MS = 10_000;
/** Symbols of one question, the most that it takes. */
const SYMBOLS_MAX = 200;

export interface Row {
  instrument: Instrument;
  quote: Quote | undefined;
}

/** Quotes of all instruments, in as many questions as they need. */
export function useSnapshot(instruments: Instrument[] | undefined) {
  const symbols = instruments?.map((one) => one.symbol) ?? [];
  return useQuery({
    queryKey: ["quotes", symbols],
    queryFn: async () => {
      const groups = Array.from({ length: Math.ceil(symbols.length / SYMBOLS_MAX) }, (_, at) =>
        symbols.slice(at * SYMBOLS_MAX, (at + 1) * SYMBOLS_MAX).join(),
      );
      const answers = await Promise.all(
        groups.map((group) => take(api.GET("/api/v1/quotes", { params: { query: { symbols: group } } }))),
      );
      return new Map(answers.flat().map((quote) => [quote.symbol, quote]));
    },
    enabled: symbols.length > 0,
    refetchInterval: SNAPSHOT_MS,
    placeholderData: (before) => before,
  });
}

/** All that can be traded, as it stands now. Each row follows its own symbol. */
export default function Market() {
  const [, go] = useLocation();
  const { status } = useSession();
  const link = useLink();
  const instruments = useInstruments();
  const snapshot = useSnapshot(instruments.data);
  const watch = useWatchlists();
  const mayKeep = useMay("profile:write");
  const [filter, setFilter] = useState("");
  const [asset, setAsset] = useState("");
  const field = useRef<HTMLInputElement>(null);
  useKeys([["f", "Filter the market", () => field.current?.focus()]]);

  const all = instruments.data;
  const classes = useMemo(() => [...new Set(all?.map((one) => one.asset_class))].sort(), [all]);
  const chosen = watch.chosen;
  const rows = useMemo(() => {
    const wanted = filter.trim().toUpperCase();
    const fits = (one: Instrument) =>
      (!asset || one.asset_class === asset) &&
      (!chosen || chosen.symbols.includes(one.symbol)) &&
      `${one.symbol} ${one.venue} ${one.currency} ${one.asset_class}`.toUpperCase().includes(wanted);
    return (all ?? []).filter(fits).map((instrument): Row => {
      return { instrument, quote: snapshot.data?.get(instrument.symbol) };
    });
  }, [all, filter, asset, chosen, snapshot.data]);
  const columns = useMemo(() => [...(mayKeep ? [STAR] : []), ...COLUMNS], [mayKeep]);

  const isStranger = instruments.error instanceof ApiError && instruments.error.status === 401;
  return (
    <div className="page market">
      <header className="market-head">
        <h1>Market</h1>
        <div className="market-filter">
          <TextField
            ref={field}
            label={<span className="unseen">Filter by symbol, venue or currency</span>}
            type="search"
            placeholder="Filter: symbol, venue, currency"
            aria-keyshortcuts="f"
            value={filter}
            onChange={(event) => setFilter(event.target.value)}
          />
          <select
            className="input"
            aria-label="Asset class"
            value={asset}
            onChange={(event) => setAsset(event.target.value)}
          >
            <option value="">All classes</option>
            {classes.map((one) => (
              <option key={one} value={one}>
                {words(one)}
              </option>
            ))}
          </select>
        </div>
      </header>
      {status === "out" ? (
        <p className="muted">
          <Link href="/sign-in?next=/market">Sign in</Link> to keep lists of what you watch, and to trade.
        </p>
      ) : (
        <WatchBar watch={watch} instruments={all ?? []} />
      )}
      {link === "offline" && snapshot.data && (
        <p className="banner warn" role="status">
          Not live: each price is of the time beside it.
        </p>
      )}
      <section className="panel market-table" aria-label="Instruments">
        {isStranger && !all ? (
          <Empty title="The market is for members here">
            <Link href="/sign-in?next=/market" className="button primary">
              Sign in
            </Link>
          </Empty>
        ) : (
          <Loaded query={instruments} rows={12}>
            {(all) => (
              <Grid
                label="Instruments with their quotes"
                rows={rows}
                columns={columns}
                rowKey={(row) => row.instrument.symbol}
                onOpen={({ instrument: { symbol } }) => {
                  chooseSymbol(symbol);
                  go(`/trade/${encodeURIComponent(symbol)}`);
                }}
                empty={
                  all.length === 0 ? (
                    <Empty title="Nothing is traded here yet">The house has defined no instrument.</Empty>
                  ) : chosen && chosen.symbols.length === 0 ? (
                    <Empty title={`${chosen.name} is empty`}>
                      Add symbols above, or with the stars of the whole market.
                    </Empty>
                  ) : (
                    <Empty title="No symbol fits">
                      <button
                        type="button"
                        className="button"
                        onClick={() => {
                          setFilter("");
                          setAsset("");
                        }}
                      >
                        Show all
                      </button>
                    </Empty>
                  )
                }
              />
            )}
          </Loaded>
        )}
      </section>
    </div>
  );
}

const STAR: Column<Row> = {
  id: "watch",
  title: <span className="unseen">Watched</span>,
  cell: (row) => <WatchStar symbol={row.instrument.symbol} />,
};

const COLUMNS: Column<Row>[] = [
  {
    id: "symbol",
    title: "Symbol",
    value: (row) => row.instrument.symbol,
    cell: (row) => (
      <Link href={`/trade/${encodeURIComponent(row.instrument.symbol)}`} className="market-symbol">
        {row.instrument.symbol}
      </Link>
    ),
  },
  {
    id: "last",
    title: "Last",
    figure: true,
    value: (row) => row.quote?.last_price,
    cell: (row) => <Last {...row} />,
  },
  { id: "day", title: "Day", figure: true, cell: (row) => <Day {...row} /> },
  { id: "as-of", title: "As of", figure: true, cell: (row) => <AsOf {...row} /> },
  { id: "hour", title: "Last hour", cell: (row) => <Spark symbol={row.instrument.symbol} /> },
  {
    id: "bid_qty",
    title: "Bid size",
    figure: true,
    value: (row) => row.quote?.bid_qty,
    cell: (row) => <Bid {...row} of="qty" />,
  },
  {
    id: "bid",
    title: "Bid",
    figure: true,
    value: (row) => row.quote?.bid_price,
    cell: (row) => <Bid {...row} of="price" />,
  },
  {
    id: "ask",
    title: "Offer",
    figure: true,
    value: (row) => row.quote?.ask_price,
    cell: (row) => <Ask {...row} of="price" />,
  },
  {
    id: "ask_qty",
    title: "Offer size",
    figure: true,
    value: (row) => row.quote?.ask_qty,
    cell: (row) => <Ask {...row} of="qty" />,
  },
  { id: "spread", title: "Spread", figure: true, cell: (row) => <Spread {...row} /> },
  {
    id: "status",
    title: "State",
    value: (row) => row.quote?.status,
    cell: (row) => <Status {...row} />,
  },
  {
    id: "class",
    title: "Class",
    value: (row) => row.instrument.asset_class,
    cell: (row) => words(row.instrument.asset_class),
  },
  { id: "venue", title: "Venue", value: (row) => row.instrument.venue, cell: (row) => row.instrument.venue },
  {
    id: "currency",
    title: "Currency",
    value: (row) => row.instrument.currency,
    cell: (row) => row.instrument.currency,
  },
];
