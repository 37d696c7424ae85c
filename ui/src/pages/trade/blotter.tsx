import { useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useCallback, useMemo, useState } from "react";
import { Link } from "wouter";
import { Confirm } from "../../components/confirm";
import { Button } from "../../components/controls";
import { Figure, SideText, Signed, words } from "../../components/figures";
import { type Column, Grid } from "../../components/grid";
import { tellError } from "../../components/notices";
import { TabPanel } from "../../components/panel";
import { Empty, Loaded } from "../../components/states";
import { show, sign } from "../../format/number";
import { markOf, priceText, unrealised } from "../../format/price";
import { clock, dateTime } from "../../format/time";
import {
  type Execution,
  isHeld,
  isWorking,
  type Order,
  type Position,
  told,
  useExecutions,
  useOrders,
  usePortfolio,
} from "../../live/account";
import { useQuote } from "../../live/market";
import { useInstrument, useInstruments, useMay } from "../../shell/user";
import { cancel, cancelAll, flatten } from "./acts";
import { ExitsDialog } from "./exits";
import { inFamilies } from "./families";
import { Replace } from "./replace";
import { WhyFill } from "./why";

interface BlotterProps {
  account: string | undefined;
  /** Why nobody can trade from here. */
  barred: ReactNode;
  symbol: string;
  /** Which of its tabs; on a wall two blotters stand side by side. */
  tabs: readonly ("working" | "orders" | "fills" | "positions")[];
  /** There is room for a few columns: those that matter most come first. */
  isNarrow?: boolean;
  className?: string;
}

const MATTERS = ["side", "qty", "price"];

/** What it is, how much and at what price before all else; what can be done to it at the end. */
export function narrowed<T>(columns: Column<T>[]): Column<T>[] {
  const rank = ({ id }: Column<T>) => {
    if (MATTERS.includes(id)) return MATTERS.indexOf(id);
    return id === "acts" ? MATTERS.length + 1 : MATTERS.length;
  };
  return columns.toSorted((a, b) => rank(a) - rank(b));
}

type Open =
  | { kind: "replace"; order: Order }
  | { kind: "why"; fill: Execution }
  | { kind: "exits" | "flatten"; position: Position }
  | { kind: "cancel-all"; symbol?: string };

/** What was asked for and what became of it: working orders, all orders, fills, positions. */
export function Blotter({ account, barred, symbol, tabs, isNarrow, className }: BlotterProps) {
  const client = useQueryClient();
  const mayTrade = useMay("orders:write");
  const orders = useOrders(account);
  const fills = useExecutions(account);
  const portfolio = usePortfolio(account);
  const instruments = useInstruments().data;
  const [open, setOpen] = useState<Open | null>(null);
  const close = useCallback(() => setOpen(null), []);
  const all = useMemo(() => inFamilies(orders.data ?? []), [orders.data]);
  const working = useMemo(() => all.filter(isWorking), [all]);
  const columns = useMemo(() => {
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
          <Button small onClick={() => setOpen({ kind: "replace", order: one })} aria-label={`Replace ${told(one)}`}>
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
            onClick={() => setOpen({ kind: "why", fill: one })}
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
          <Button
            small
            onClick={() => setOpen({ kind: "exits", position: one })}
            aria-label={`Exits for ${one.symbol}`}
          >
            Exits…
          </Button>
          <Button
            small
            kind="danger-side"
            onClick={() => setOpen({ kind: "flatten", position: one })}
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
  }, [client, mayTrade, isNarrow]);

  const count = (name: string, rows: number | undefined) => (rows ? `${name} (${rows})` : name);
  const held = portfolio.data?.positions.filter((one) => sign(one.qty) !== 0);
  const parts = {
    working: {
      id: "working",
      title: count("Working", working.length),
      content: () => (
        <Loaded query={orders}>
          {() => (
            <Grid
              key="working"
              label="Working orders"
              rows={working}
              columns={columns.working}
              rowKey={(one) => one.id}
              {...(mayTrade ? { onOpen: (one: Order) => setOpen({ kind: "replace", order: one }) } : {})}
              empty={
                <Empty title="No orders work">
                  {mayTrade && (
                    <span>
                      Click a price on the ladder, or press <kbd>b</kbd> or <kbd>s</kbd>.
                    </span>
                  )}
                </Empty>
              }
            />
          )}
        </Loaded>
      ),
    },
    orders: {
      id: "orders",
      title: "Orders",
      content: () => (
        <Loaded query={orders}>
          {() => (
            <Grid
              key="orders"
              label="Orders"
              rows={all}
              columns={columns.all}
              rowKey={(one) => one.id}
              empty={<Empty title="No orders yet">All that you send is kept here, refused ones too.</Empty>}
            />
          )}
        </Loaded>
      ),
    },
    fills: {
      id: "fills",
      title: count("Fills", fills.data?.length),
      content: () => (
        <Loaded query={fills}>
          {(rows) => (
            <Grid
              key="fills"
              label="Fills"
              rows={rows}
              columns={columns.fill}
              rowKey={(one) => one.id}
              onOpen={(one) => setOpen({ kind: "why", fill: one })}
              empty={<Empty title="No fills yet">Each is explained: what stood ahead, and what caused it.</Empty>}
            />
          )}
        </Loaded>
      ),
    },
    positions: {
      id: "positions",
      title: count("Positions", held?.length),
      content: () => (
        <Loaded query={portfolio}>
          {() => (
            <Grid
              key="positions"
              label="Positions"
              rows={held ?? NONE}
              columns={columns.position}
              rowKey={(one) => one.symbol}
              empty={
                <Empty title="Nothing is held">
                  What you buy or sell short stands here, with its profit as the market moves.
                </Empty>
              }
            />
          )}
        </Loaded>
      ),
    },
  };
  const order = open?.kind === "why" ? orders.data?.find((one) => one.id === open.fill.order) : undefined;
  const about = open?.kind === "why" ? open.fill.symbol : open?.kind === "exits" ? open.position.symbol : undefined;
  const instrument = instruments?.find((one) => one.symbol === about);
  return (
    <>
      <TabPanel
        label="Blotter"
        className={className ?? ""}
        tabs={tabs.map((name) => (barred ? { ...parts[name], content: () => barred } : parts[name]))}
        actions={
          account && mayTrade && tabs.includes("working") ? (
            <div className="row nowrap">
              <Button
                small
                kind="danger-side"
                disabled={!working.some((one) => one.symbol === symbol)}
                aria-keyshortcuts="Shift+X"
                onClick={() => setOpen({ kind: "cancel-all", symbol })}
              >
                Cancel {symbol}
              </Button>
              <Button
                small
                kind="danger-side"
                disabled={working.length === 0}
                onClick={() => setOpen({ kind: "cancel-all" })}
              >
                Cancel all
              </Button>
            </div>
          ) : undefined
        }
      />
      {open?.kind === "replace" && <Replace order={open.order} onClose={close} />}
      {open?.kind === "why" && <WhyFill fill={open.fill} order={order} venue={instrument?.venue} onClose={close} />}
      {open?.kind === "exits" && account && instrument && (
        <ExitsDialog
          account={account}
          instrument={instrument}
          // It may change, or end, while the exits are entered.
          position={held?.find((one) => one.symbol === about) ?? { ...open.position, qty: "0" }}
          working={working}
          onClose={close}
        />
      )}
      {open?.kind === "flatten" && account && <AskFlatten account={account} position={open.position} onClose={close} />}
      {open?.kind === "cancel-all" && account && (
        <AskCancelAll
          account={account}
          orders={working}
          onClose={close}
          {...(open.symbol ? { symbol: open.symbol } : {})}
        />
      )}
    </>
  );
}

const NONE: Position[] = [];

interface AskCancelAllProps {
  account: string;
  /** All that work. */
  orders: Order[];
  symbol?: string;
  onClose: () => void;
}

export function AskCancelAll({ account, orders, symbol, onClose }: AskCancelAllProps) {
  const count = orders.filter((one) => !symbol || one.symbol === symbol).length;
  const which = symbol ? `orders of ${symbol}` : "orders of this account";
  return (
    <Confirm
      title={symbol ? `Cancel all of ${symbol}?` : "Cancel all orders?"}
      act={count === 1 ? "Cancel one order" : `Cancel ${count} orders`}
      destroys
      onConfirm={() => cancelAll(account, symbol)}
      onClose={onClose}
    >
      <p>
        All working {which} are canceled: {count} now.
      </p>
    </Confirm>
  );
}

function AskFlatten({ account, position, onClose }: { account: string; position: Position; onClose: () => void }) {
  const isLong = sign(position.qty) > 0;
  return (
    <Confirm
      title={`Flatten ${position.symbol}?`}
      act={`${isLong ? "Sell" : "Buy"} ${show(position.qty.replace("-", ""))} ${position.symbol} at the market`}
      destroys
      onConfirm={() => flatten(account, position)}
      onClose={onClose}
    >
      <p>
        Working orders of {position.symbol} are canceled, then the whole position is {isLong ? "sold" : "bought back"}{" "}
        at the market.
      </p>
    </Confirm>
  );
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
