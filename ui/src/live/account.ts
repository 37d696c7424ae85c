// One's own orders, fills and positions: loaded once over REST, then told by events, in the cache that all pages read.

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef } from "react";
import { api, page, type Schemas, take } from "../api/client";
import { tell, tellError } from "../components/notices";
import { compare, show } from "../format/number";
import { briefly } from "../format/price";
import { socket } from "./socket";
import { soon } from "./soon";

export type Order = Schemas["Order"];
export type Execution = Schemas["Execution"];
export type Position = Schemas["Position"];
export type Portfolio = Schemas["Portfolio"];

/** Rows that a page asks for at once. */
const ROWS = 200;
/** Orders and executions kept on the page, beside orders that work. */
const KEPT_MAX = 1_000;
/** After an event the sums are asked for anew, at most so often. */
const SUMS_EVERY_MS = 1_000;

const FINAL = new Set(["filled", "canceled", "rejected", "expired"]);

/** Whether an order may still be executed. */
export function isWorking(order: Order): boolean {
  return !FINAL.has(order.status ?? "");
}

/** Held back until another order of its list is filled, or out of its way. */
export function isHeld(order: Order): boolean {
  return order.status === "pending_new" && !!order.parent;
}

/** The prices of an order as they stand in a sentence: " at 100.05", " stop 98", or nothing. */
export function atPrices(order: Pick<Order, "limit_price" | "stop_price">): string {
  const limit = order.limit_price ? ` at ${briefly(order.limit_price)}` : "";
  const stop = order.stop_price ? ` stop ${briefly(order.stop_price)}` : "";
  return limit + stop;
}

/** An order in few words: "buy 10 TIDE at 100.05". */
export function told(order: Order): string {
  return `${order.side ?? ""} ${show(order.leaves_qty)} ${order.symbol}${atPrices(order)}`;
}

export const keys = {
  orders: (account: string) => ["orders", account] as const,
  executions: (account: string) => ["executions", account] as const,
  portfolio: (account: string) => ["portfolio", account] as const,
};

/** All open orders of an account: more than fit on a page of the gateway's. */
async function openOrders(account: string): Promise<Order[]> {
  const rows: Order[] = [];
  let cursor: string | undefined;
  do {
    const query = { account, status: "open", limit: ROWS, ...(cursor ? { cursor } : {}) };
    const { data, meta } = await page(api.GET("/api/v1/orders", { params: { query } }));
    rows.push(...data);
    cursor = meta.next_cursor ?? undefined;
  } while (cursor);
  return rows;
}

async function loadOrders(account: string): Promise<Order[]> {
  const query = { account, status: "closed", limit: ROWS };
  const [open, closed] = await Promise.all([
    openOrders(account),
    take(api.GET("/api/v1/orders", { params: { query } })),
  ]);
  // One that ends between the two answers is in both.
  const ended = new Set(closed.map((order) => order.id));
  const rows = [...open.filter((order) => !ended.has(order.id)), ...closed];
  return rows.sort((a, b) => Date.parse(b.created_at) - Date.parse(a.created_at));
}

/**
 * Rows as `load` answers, with what events told of them meanwhile: an answer may be older than an event that comes before it. It is
 * asked for again if events may have been missed since.
 */
async function withEvents<T extends Row>(
  channel: "orders" | "fills",
  account: string,
  load: () => Promise<T[]>,
): Promise<T[]> {
  for (;;) {
    const rows: T[] = [];
    let isWhole = true;
    const stop = socket.follow(
      channel,
      {},
      {
        onData: (data, message) => {
          if (message.account === account && !isRefusal(data)) rows.push(data as unknown as T);
        },
        onGap: () => {
          isWhole = false;
        },
      },
    );
    const loaded = await load().finally(stop);
    if (isWhole) return rows.reduce<T[]>(merge, loaded);
  }
}

/** All orders of an account that are open, and the newest of the others. */
export function useOrders(account: string | undefined) {
  return useQuery({
    queryKey: keys.orders(account ?? ""),
    queryFn: () => withEvents("orders", account ?? "", () => loadOrders(account ?? "")),
    enabled: !!account,
    staleTime: Number.POSITIVE_INFINITY,
  });
}

/** The newest executions of an account. */
export function useExecutions(account: string | undefined) {
  return useQuery({
    queryKey: keys.executions(account ?? ""),
    queryFn: () =>
      withEvents("fills", account ?? "", () =>
        take(api.GET("/api/v1/executions", { params: { query: { account: account ?? "", limit: ROWS } } })),
      ),
    enabled: !!account,
    staleTime: Number.POSITIVE_INFINITY,
  });
}

/** What an account holds and is worth; asked for every few seconds, for marks move without events. */
export function usePortfolio(account: string | undefined) {
  return useQuery({
    queryKey: keys.portfolio(account ?? ""),
    queryFn: () => take(api.GET("/api/v1/portfolio", { params: { query: { account: account ?? "" } } })),
    enabled: !!account,
    refetchInterval: 3_000,
  });
}

function place(seq: string): [bigint, number] {
  const [number = "0", ordinal = "0"] = seq.split(":");
  return [BigInt(number), Number(ordinal)];
}

/** Whether an event is after another, by `SEQ:ORDINAL`. */
export function isAfter(a: string, b: string): boolean {
  const [left, right] = [place(a), place(b)];
  return left[0] > right[0] || (left[0] === right[0] && left[1] > right[1]);
}

/** An order or an execution. */
type Row = { id: string; seq: string; status?: Order["status"] };

/** Puts a row in the place of its older state, or before all others. The oldest leave for it, but no order that works. */
export function merge<T extends Row>(rows: T[], row: T): T[] {
  const at = rows.findIndex((other) => other.id === row.id);
  const before = rows[at];
  if (before) return isAfter(before.seq, row.seq) ? rows : rows.with(at, row);
  const stays = ({ status }: T, place: number) => place < KEPT_MAX - 1 || (status && !FINAL.has(status));
  return [row, ...rows.filter(stays)];
}

/** What the channel `orders` tells of a cancel or a replace that was refused: the order is as it was. */
interface Refusal {
  id: string;
  cancel_reject: Schemas["Reject"] | null;
}

function isRefusal(data: object): data is Refusal {
  return "cancel_reject" in data;
}

/** Whoever sends an order hears from its answer what becomes of it at once: for so long no notice says the same. */
const ANSWERED_MS = 2_000;

/** When orders were first heard of here, by their id; of those heard of just now. */
const newOrders = new Map<string, number>();

/** An order is new: what becomes of it at once is the answer to who sent it. */
export function noteSent({ id }: { id: string }): void {
  if (newOrders.has(id)) return;
  newOrders.set(id, Date.now());
  setTimeout(() => newOrders.delete(id), ANSWERED_MS);
}

/** The average price at which a fill of an order was last told, by its id. */
const toldAt = new Map<string, string | null | undefined>();

/**
 * Says that a resting order was executed. Of many fills at one price the first and the last are said, so that a large order which is
 * filled bit by bit does not fill the page.
 */
function tellFill(before: Order | undefined, order: Order): void {
  const { id, side, symbol, status, filled_qty: filled, leaves_qty: leaves, avg_price: price } = order;
  if (!before) {
    noteSent(order);
    return;
  }
  const wasAt = toldAt.get(id);
  if (!isWorking(order)) toldAt.delete(id);
  if (!isAfter(order.seq, before.seq) || compare(filled, before.filled_qty) <= 0 || newOrders.has(id)) return;
  if (wasAt === price && status !== "filled") return;
  if (isWorking(order)) toldAt.set(id, price);
  const rest = status === "partially_filled" ? `; ${show(leaves)} are working` : "";
  tell(`${side === "buy" ? "Bought" : "Sold"} ${show(filled)} ${symbol} at ${briefly(price)}${rest}.`);
}

/** Keeps the cache of all one's own accounts in step with their events. One of these is mounted. */
export function useAccountEvents(accounts: readonly { id: string }[]): void {
  const client = useQueryClient();
  const own = accounts.map((account) => account.id).join();
  // Before the first is followed, so that it is asked for once.
  // biome-ignore lint/correctness/useExhaustiveDependencies: another list of accounts is what it is about
  useEffect(() => socket.takeNewAccounts(), [own]);
  const hasSome = own !== "";
  const latest = useRef(accounts);
  latest.current = accounts;
  useEffect(() => {
    if (!hasSome) return;
    const sums = soon(() => void client.invalidateQueries({ queryKey: ["portfolio"] }), SUMS_EVERY_MS);
    const load = (key: "orders" | "executions") => void client.invalidateQueries({ queryKey: [key] });
    const put = <T extends Row>(key: readonly string[], row: T) =>
      client.setQueryData<T[]>(key, (rows) => rows && merge(rows, row));
    const stops = [
      socket.follow(
        "orders",
        {},
        {
          onData: (data, { account = "" }) => {
            const key = keys.orders(account);
            if (isRefusal(data)) tellRefusal(data, client.getQueryData<Order[]>(key));
            else {
              const order = data as unknown as Order;
              const rows = client.getQueryData<Order[]>(key);
              // Without rows nothing is known of what it was before.
              if (rows && latest.current.some((one) => one.id === account)) {
                tellFill(
                  rows.find((one) => one.id === order.id),
                  order,
                );
              }
              put(key, order);
            }
          },
          onGap: () => load("orders"),
        },
      ),
      socket.follow(
        "fills",
        {},
        {
          onData: (data, { account = "" }) => {
            put(keys.executions(account), data as unknown as Execution);
            sums.ask();
          },
          onGap: () => load("executions"),
        },
      ),
      socket.follow("positions", {}, { onData: sums.ask, onGap: sums.ask }),
      socket.follow("balances", {}, { onData: sums.ask, onGap: sums.ask }),
    ];
    return () => {
      sums.cancel();
      for (const stop of stops) stop();
    };
  }, [hasSome, client]);
}

function tellRefusal({ id, cancel_reject: refused }: Refusal, orders: readonly Order[] | undefined): void {
  const order = orders?.find((one) => one.id === id);
  const asked: Record<string, string> = { pending_cancel: "cancel", pending_replace: "replace" };
  const act = asked[order?.status ?? ""] ?? "cancel or replace";
  tellError(
    `The ${act} of ${order ? told(order) : "an order"} was refused: ${refused?.message ?? "no reason was given"}`,
  );
}
