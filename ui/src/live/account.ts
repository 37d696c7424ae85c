// One's own orders, fills and positions: loaded once over REST, then told by events, in the cache that all pages read.

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { api, type Schemas, take } from "../api/client";
import { briefly } from "../format/price";
import { socket } from "./socket";
import { soon } from "./soon";

export type Order = Schemas["Order"];
export type Execution = Schemas["Execution"];
export type Position = Schemas["Position"];
export type Portfolio = Schemas["Portfolio"];

/** Rows that a page asks for at once. */
const ROWS = 200;
/** Orders and executions kept on the page. */
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
export function atPrices(order: Order): string {
  const limit = order.limit_price ? ` at ${briefly(order.limit_price)}` : "";
  const stop = order.stop_price ? ` stop ${briefly(order.stop_price)}` : "";
  return limit + stop;
}

export const keys = {
  orders: (account: string) => ["orders", account] as const,
  executions: (account: string) => ["executions", account] as const,
  portfolio: (account: string) => ["portfolio", account] as const,
};

/** The newest orders of an account. */
export function useOrders(account: string | undefined) {
  return useQuery({
    queryKey: keys.orders(account ?? ""),
    queryFn: () => take(api.GET("/api/v1/orders", { params: { query: { account: account ?? "", limit: ROWS } } })),
    enabled: !!account,
    staleTime: Number.POSITIVE_INFINITY,
  });
}

/** The newest executions of an account. */
export function useExecutions(account: string | undefined) {
  return useQuery({
    queryKey: keys.executions(account ?? ""),
    queryFn: () => take(api.GET("/api/v1/executions", { params: { query: { account: account ?? "", limit: ROWS } } })),
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

/** Puts a row in the place of its older state, or before all others. */
export function merge<T extends { id: string; seq: string }>(rows: T[], row: T): T[] {
  const at = rows.findIndex((other) => other.id === row.id);
  const before = rows[at];
  if (!before) return [row, ...rows].slice(0, KEPT_MAX);
  return isAfter(before.seq, row.seq) ? rows : rows.with(at, row);
}

/** Keeps the cache of an account in step with its events. One of these is mounted while an account is looked at. */
export function useAccountEvents(account: string | undefined): void {
  const client = useQueryClient();
  useEffect(() => {
    if (!account) return;
    const sums = soon(() => void client.invalidateQueries({ queryKey: keys.portfolio(account) }), SUMS_EVERY_MS);
    const put = <T extends { id: string; seq: string }>(key: readonly string[], row: T) =>
      client.setQueryData<T[]>(key, (rows) => rows && merge(rows, row));
    const onGap = () => {
      for (const key of [keys.orders(account), keys.executions(account), keys.portfolio(account)]) {
        void client.invalidateQueries({ queryKey: key });
      }
    };
    const ours = (message: { account?: string }) => message.account === account;
    const stops = [
      socket.follow(
        "orders",
        {},
        {
          onData: (data, message) => ours(message) && put(keys.orders(account), data as unknown as Order),
          onGap,
        },
      ),
      socket.follow(
        "fills",
        {},
        {
          onData: (data, message) => {
            if (!ours(message)) return;
            put(keys.executions(account), data as unknown as Execution);
            sums.ask();
          },
          onGap,
        },
      ),
      socket.follow("positions", {}, { onData: (_, message) => ours(message) && sums.ask(), onGap }),
      socket.follow("balances", {}, { onData: (_, message) => ours(message) && sums.ask(), onGap }),
    ];
    return () => {
      sums.cancel();
      for (const stop of stops) stop();
    };
  }, [account, client]);
}
