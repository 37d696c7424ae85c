import { useInfiniteQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { api, page } from "../../api/client";
import { Button, Select, TextField } from "../../components/controls";
import { Figure, Price, SideText, words } from "../../components/figures";
import { type Column, Grid } from "../../components/grid";
import { Panel } from "../../components/panel";
import { save } from "../../components/save";
import { Empty, Loaded } from "../../components/states";
import { reason } from "../../components/why";
import { dateTime, dayOf } from "../../format/time";
import type { Execution } from "../../live/account";
import { isAfter, keys, useExecutions } from "../../live/account";
import { type Instrument, useInstrument, useZone } from "../../shell/user";
import { csv } from "./csv";

const ROWS = 100;
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

export function isWanted(row: Execution, { side, from, to }: Wanted): boolean {
  const day = dayOf(row.at);
  return (!side || row.side === side) && (!from || day >= from) && (!to || day <= to);
}

/** Rows that came since a list was loaded, before those of the list. */
export function withNewer(rows: Execution[], live: readonly Execution[], symbol: string): Execution[] {
  const newest = rows[0]?.seq;
  const newer = live.filter((row) => (!symbol || row.symbol === symbol) && (!newest || isAfter(row.seq, newest)));
  return [...newer, ...rows];
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

export function Trades({ account, instruments }: { account: string; instruments: readonly Instrument[] }) {
  const [symbol, setSymbol] = useState("");
  const [wanted, setWanted] = useState<Wanted>({ side: "", from: "", to: "" });
  const live = useExecutions(account).data;
  const pages = useInfiniteQuery({
    queryKey: [...keys.executions(account), "pages", symbol],
    queryFn: ({ pageParam }) => {
      const query = {
        account,
        limit: ROWS,
        ...(symbol ? { symbol } : {}),
        ...(pageParam ? { cursor: pageParam } : {}),
      };
      return page(api.GET("/api/v1/executions", { params: { query } }));
    },
    initialPageParam: "",
    getNextPageParam: (last) => last.meta.next_cursor ?? undefined,
    staleTime: Number.POSITIVE_INFINITY,
  });
  const all = useMemo(
    () => withNewer(pages.data?.pages.flatMap((one) => one.data) ?? [], live ?? [], symbol),
    [pages.data, live, symbol],
  );
  const zone = useZone();
  // biome-ignore lint/correctness/useExhaustiveDependencies: days are those of the zone
  const rows = useMemo(() => all.filter((row) => isWanted(row, wanted)), [all, wanted, zone]);
  const last = all.at(-1);
  // The newest come first: what follows is older still.
  const hasMore = pages.hasNextPage && !(wanted.from && last && dayOf(last.at) < wanted.from);
  const exportRows = () => {
    const table = rows.map((row) => [
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
    ]);
    save(`executions-${dayOf(Date.now())}.csv`, csv(HEAD, table), "text/csv");
  };
  return (
    <Panel
      title="Executions"
      className="trades"
      flush
      actions={
        <Button small onClick={exportRows} disabled={rows.length === 0}>
          Export {rows.length} as CSV
        </Button>
      }
    >
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
          options={[
            ["", "Both"],
            ["buy", "Buy"],
            ["sell", "Sell"],
          ]}
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
            <Grid
              label="Executions"
              rows={rows}
              columns={COLUMNS}
              rowKey={(row) => row.id}
              empty={
                <Empty title={all.length > 0 ? "None is like that" : "No executions yet"}>
                  {all.length > 0
                    ? hasMore
                      ? "Load more, or ask for less."
                      : "Change what is asked for above."
                    : "Every execution of the account is here, with the reason for it."}
                </Empty>
              }
            />
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
    </Panel>
  );
}
