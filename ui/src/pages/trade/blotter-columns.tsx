import type { QueryClient } from "@tanstack/react-query";
import { Link } from "wouter";
import { Button } from "../../components/controls";
import { Figure, SideText, Signed, words } from "../../components/figures";
import type { Column } from "../../components/grid";
import { tellError } from "../../components/notices";
import { show } from "../../format/number";
import { markOf, priceText, unrealised } from "../../format/price";
import { clock, dateTime } from "../../format/time";
import { type Execution, isHeld, type Order, type Position, told } from "../../live/account";
import { useQuote } from "../../live/market";
import { useInstrument } from "../../shell/user";
import { cancel } from "./acts";

const MATTERS = ["side", "qty", "price"];

/** What it is, how much and at what price before all else; what can be done to it at the end. */
export function narrowed<T>(columns: Column<T>[]): Column<T>[] {
  const rank = ({ id }: Column<T>) => {
    if (MATTERS.includes(id)) return MATTERS.indexOf(id);
    return id === "acts" ? MATTERS.length + 1 : MATTERS.length;
  };
  return columns.toSorted((a, b) => rank(a) - rank(b));
}

/** What is asked or shown over the blotter. */
export type Open =
  | { kind: "replace"; order: Order }
  | { kind: "why"; fill: Execution }
  | { kind: "exits" | "flatten"; position: Position }
  | { kind: "cancel-all"; symbol?: string };

interface Acts {
  client: QueryClient;
  mayTrade: boolean;
  isNarrow: boolean;
  onOpen: (open: Open) => void;
}

/** The columns of each tab. */
export function blotterColumns({ client, mayTrade, isNarrow, onOpen }: Acts) {
  const time: Column<Order> = {
    id: "time",
    title: "Time",
    value: (order) => order.created_at,
    cell: (order) => <span title={dateTime(order.created_at)}>{clock(order.created_at)}</span>,
  };
  const order: Column<Order>[] = [
    time,
    { id: "symbol", title: "Symbol", value: (one) => one.symbol, cell: (one) => <ToSymbol name={one.symbol} /> },
    { id: "side", title: "Side", value: (one) => one.side, cell: (one) => <SideText side={one.side} /> },
    { id: "type", title: "Type", value: (one) => one.type, cell: (one) => <Type order={one} /> },
    {
      id: "qty",
      title: "Filled / qty",
      value: (one) => one.qty,
      figure: true,
      cell: (one) => `${show(one.filled_qty)} / ${show(one.qty)}`,
    },
    {
      id: "price",
      title: "Price",
      value: (one) => one.limit_price ?? one.stop_price,
      figure: true,
      cell: (one) => <Prices order={one} />,
    },
  ];
  const status: Column<Order> = {
    id: "status",
    title: "Status",
    value: (one) => one.status,
    cell: (one) => (
      <span title={one.reject?.message ?? words(one.cancel_reason ?? one.status)}>
        {isHeld(one) ? "Held" : words(one.status)}
        {one.reject && <span className="danger"> {one.reject.message}</span>}
      </span>
    ),
  };
  const orderActs: Column<Order> = {
    id: "acts",
    title: <span className="unseen">Acts</span>,
    cell: (one) => (
      <span className="acts">
        <Button small onClick={() => onOpen({ kind: "replace", order: one })} aria-label={`Replace ${told(one)}`}>
          Replace
        </Button>
        <Button
          small
          kind="danger-side"
          onClick={() => void cancel(client, one).catch(tellError)}
          aria-label={`Cancel ${told(one)}`}
        >
          Cancel
        </Button>
      </span>
    ),
  };
  const working: Column<Order>[] = [
    ...(mayTrade ? [orderActs] : []),
    ...order,
    {
      id: "tif",
      title: "In force",
      value: (one) => one.time_in_force,
      cell: (one) => words(one.time_in_force),
    },
    status,
  ];
  const all: Column<Order>[] = [
    ...order,
    {
      id: "avg",
      title: "Average",
      value: (one) => one.avg_price,
      figure: true,
      cell: (one) => <Average of={one.avg_price} />,
    },
    status,
  ];
  const fill: Column<Execution>[] = [
    {
      id: "time",
      title: "Time",
      value: (one) => one.at,
      cell: (one) => <span title={dateTime(one.at)}>{clock(one.at)}</span>,
    },
    { id: "symbol", title: "Symbol", value: (one) => one.symbol, cell: (one) => <ToSymbol name={one.symbol} /> },
    { id: "side", title: "Side", value: (one) => one.side, cell: (one) => <SideText side={one.side} /> },
    { id: "qty", title: "Qty", value: (one) => one.qty, figure: true, cell: (one) => <Figure value={one.qty} /> },
    {
      id: "price",
      title: "Price",
      value: (one) => one.price,
      figure: true,
      cell: (one) => <Price symbol={one.symbol} of={one.price} />,
    },
    {
      id: "fee",
      title: "Fee",
      value: (one) => one.fee,
      figure: true,
      cell: (one) => <Figure value={one.fee} digits={2} />,
    },
    { id: "liquidity", title: "Liquidity", value: (one) => one.liquidity, cell: (one) => words(one.liquidity) },
    {
      id: "why",
      title: <span className="unseen">Why</span>,
      cell: (one) => (
        <Button
          small
          kind="plain"
          onClick={() => onOpen({ kind: "why", fill: one })}
          aria-label={`Why this fill of ${one.symbol}`}
        >
          Why?
        </Button>
      ),
    },
  ];
  const positionActs: Column<Position> = {
    id: "acts",
    title: <span className="unseen">Acts</span>,
    cell: (one) => (
      <span className="acts">
        <Button small onClick={() => onOpen({ kind: "exits", position: one })} aria-label={`Exits for ${one.symbol}`}>
          Exits…
        </Button>
        <Button
          small
          kind="danger-side"
          onClick={() => onOpen({ kind: "flatten", position: one })}
          aria-label={`Flatten ${one.symbol}`}
        >
          Flatten
        </Button>
      </span>
    ),
  };
  const position: Column<Position>[] = [
    { id: "symbol", title: "Symbol", value: (one) => one.symbol, cell: (one) => <ToSymbol name={one.symbol} /> },
    { id: "qty", title: "Qty", value: (one) => one.qty, figure: true, cell: (one) => <Figure value={one.qty} /> },
    {
      id: "avg",
      title: "Average",
      value: (one) => one.avg_price,
      figure: true,
      cell: (one) => <Average of={one.avg_price} />,
    },
    { id: "mark", title: "Mark", figure: true, cell: (one) => <Mark position={one} /> },
    { id: "unrealised", title: "Unrealised", figure: true, cell: (one) => <Unrealised position={one} /> },
    {
      id: "realised",
      title: "Realised",
      value: (one) => one.realised,
      figure: true,
      cell: (one) => <Signed value={one.realised} />,
    },
    ...(mayTrade ? [positionActs] : []),
  ];
  if (!isNarrow) return { working, all, fill, position };
  return { working: narrowed(working), all: narrowed(all), fill: narrowed(fill), position };
}

/** What it is; and that it belongs to the order above it, or to one that is not here any more. */
function Type({ order: { type, parent } }: { order: Order }) {
  if (!parent) return words(type);
  return (
    <span title="It belongs to a list or to a parent order.">
      <span className="muted" aria-hidden="true">
        ↳{" "}
      </span>
      {words(type)}
      <span className="unseen">, of another order</span>
    </span>
  );
}

function ToSymbol({ name }: { name: string }) {
  return <Link href={`/trade/${encodeURIComponent(name)}`}>{name}</Link>;
}

/** What the position is valued at now: the newest quote's, else what the gateway said. */
function useMark(position: Position): string | null | undefined {
  const quote = useQuote(position.symbol)?.data;
  return (quote && markOf(quote)) ?? position.mark_price;
}

function Price({ symbol, of }: { symbol: string; of: string | null | undefined }) {
  const instrument = useInstrument(symbol);
  return <Figure value={of && instrument ? priceText(instrument, of) : of} />;
}

function Prices({ order: { symbol, limit_price: limit, stop_price: stop } }: { order: Order }) {
  if (!stop || !limit) return <Price symbol={symbol} of={limit ?? stop} />;
  return (
    <>
      <Price symbol={symbol} of={limit} /> <span className="muted">stop</span> <Price symbol={symbol} of={stop} />
    </>
  );
}

/** At most four digits: an average has nine. */
function Average({ of }: { of: string | null | undefined }) {
  return <Figure value={of} {...((of?.split(".")[1]?.length ?? 0) > 4 ? { digits: 4 } : {})} />;
}

function Mark({ position }: { position: Position }) {
  return <Figure value={useMark(position)} digits={2} />;
}

function Unrealised({ position }: { position: Position }) {
  const mark = useMark(position);
  const multiplier = useInstrument(position.symbol)?.multiplier;
  if (!mark || !multiplier) return <Signed value={position.unrealised} />;
  return <Signed value={unrealised(position, mark, multiplier)} />;
}
