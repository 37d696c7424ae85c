// Sending an order, so that it is never sent twice: as long as it is not known what became of it, the same order goes out under the
// same name, and the gateway answers with the order that it has.

import { api, newKey, take } from "../../api/client";
import { ApiError } from "../../api/error";
import type { Estimate } from "../../api/reports";
import { show } from "../../format/number";
import { briefly } from "../../format/price";
import { atPrices, type Order } from "../../live/account";
import type { NewList, NewOrder } from "./ticket-model";

export type Body = NewOrder | NewList;

export interface Attempt {
  key: string;
  body: Body;
  /** The token of an authorization, where the house asks for one. */
  authorization?: string;
}

export interface Preview {
  hash: string;
  needs_authorization: boolean;
  /** Of each leg; of a single order one. */
  legs: Estimate[];
}

export function isList(body: Body): body is NewList {
  return "legs" in body;
}

export function accountOf(body: Body): string {
  return isList(body) ? (body.legs[0]?.account ?? "") : body.account;
}

/** Errors after which the order may have been taken all the same. */
const UNCLEAR = new Set(["outcome_unknown", "unreachable", "unreadable", "timed_out", "internal", "upstream"]);

export function isUnclear(error: unknown): boolean {
  return error instanceof ApiError ? UNCLEAR.has(error.code) : true;
}

/** The attempt to send a body: the open one if it is the same order, else one of its own. */
export function attemptFor(open: Attempt | null, body: Body, authorization?: string): Attempt {
  if (open && JSON.stringify(open.body) === JSON.stringify(body)) return open;
  return { key: newKey(), body, ...(authorization ? { authorization } : {}) };
}

/** Sends it; the orders as the gateway says that they stand. */
export async function post({ key, body, authorization }: Attempt): Promise<Order[]> {
  const header = { "Idempotency-Key": key, ...(authorization ? { "Trade-Authorization": authorization } : {}) };
  if (isList(body)) return (await take(api.POST("/api/v1/orders/lists", { params: { header }, body }))).orders;
  return [await take(api.POST("/api/v1/orders", { params: { header }, body }))];
}

/** What an order is and would cost. */
export async function ask(body: Body, signal?: AbortSignal): Promise<Preview> {
  const options = signal ? { signal } : {};
  if (isList(body)) return take(api.POST("/api/v1/orders/lists/preview", { body, ...options }));
  const one = await take(api.POST("/api/v1/orders/preview", { body, ...options }));
  return { hash: one.hash, needs_authorization: one.needs_authorization, legs: [one] };
}

/** What became of an order, in words. */
export function outcome(order: Order): string {
  const { symbol, side, qty, filled_qty: filled, leaves_qty: leaves } = order;
  const done = `${side === "buy" ? "Bought" : "Sold"} ${show(filled)} ${symbol} at ${briefly(order.avg_price)}`;
  const what = `${side === "buy" ? "buy" : "sell"} ${show(qty)} ${symbol}${atPrices(order)}`;
  switch (order.status) {
    case "filled":
      return `${done}.`;
    case "partially_filled":
      return `${done}; ${show(leaves)} are working.`;
    case "rejected":
      return `Refused: ${order.reject?.message ?? what}.`;
    case "canceled":
    case "expired":
    case "done_for_day":
      return Number(filled) > 0 ? `${done}; the rest was canceled.` : `Nothing was traded: ${what} was canceled.`;
    case "pending_approval":
      return `Waits for a second person: ${what}.`;
    default:
      return `Working: ${what}.`;
  }
}
