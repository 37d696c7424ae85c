import { useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useCallback, useMemo, useState } from "react";
import { Confirm } from "../../components/confirm";
import { Button } from "../../components/controls";
import { Grid } from "../../components/grid";
import { TabPanel } from "../../components/panel";
import { Empty, Loaded } from "../../components/states";
import { show, sign } from "../../format/number";
import { isWorking, type Order, type Position, useExecutions, useOrders, usePortfolio } from "../../live/account";
import { useInstruments, useMay } from "../../shell/user";
import { cancelAll, flatten } from "./acts";
import { blotterColumns, type Open } from "./blotter-columns";
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
  const columns = useMemo(
    () => blotterColumns({ client, mayTrade, isNarrow: isNarrow ?? false, onOpen: setOpen }),
    [client, mayTrade, isNarrow],
  );

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
