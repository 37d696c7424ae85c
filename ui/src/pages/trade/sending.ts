// Sending an order, so that it is never sent twice: as long as it is not known what became of it, the same order goes out under the
// same name, and the gateway answers with the order that it has.

import { api, take } from "../../api/client";
import { ApiError } from "../../api/error";
import type { Estimate } from "../../api/reports";
import { show, sign } from "../../format/number";
import { briefly } from "../../format/price";
import { atPrices, type Order } from "../../live/account";
import { type NewParent, nameOf } from "./algorithm";
import type { NewList, NewOrder } from "./ticket-model";

export type Body = NewOrder | NewList | NewParent;

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

function isList(body: Body): body is NewList {
  return "legs" in body;
}

function isParent(body: Body): body is NewParent {
  return "algorithm" in body;
}

function ordersOf(body: Body): NewOrder[] {
  if (isList(body)) return body.legs;
  return isParent(body) ? [body.order] : [body];
}

export function accountOf(body: Body): string {
  return ordersOf(body)[0]?.account ?? "";
}

/** Errors of a first try after which the order may have been taken all the same. */
const UNCLEAR = new Set(["outcome_unknown", "unreachable", "unreadable", "timed_out", "internal", "upstream"]);

/**
 * Whether it is still not known what became of an order. Where a try before left it open, only a 422 is the answer to the order
 * itself: any other error is about the request that asked once more, and says nothing of the one that may have arrived.
 */
export function isUnclear(error: unknown, isAgain = false): boolean {
  if (!(error instanceof ApiError)) return true;
  return isAgain ? error.status !== 422 : UNCLEAR.has(error.code);
}

/** Sends it; the orders as the gateway says that they stand. */
export async function post({ key, body, authorization }: Attempt): Promise<Order[]> {
  const header = { "Idempotency-Key": key, ...(authorization ? { "Trade-Authorization": authorization } : {}) };
  if (isList(body)) return (await take(api.POST("/api/v1/orders/lists", { params: { header }, body }))).orders;
  if (isParent(body)) return [await take(api.POST("/api/v1/orders/algorithms", { params: { header }, body }))];
  return [await take(api.POST("/api/v1/orders", { params: { header }, body }))];
}

/** What an order is and would cost. */
export async function ask(body: Body, signal?: AbortSignal): Promise<Preview> {
  const options = signal ? { signal } : {};
  if (isList(body)) return take(api.POST("/api/v1/orders/lists/preview", { body, ...options }));
  const one = isParent(body)
    ? await take(api.POST("/api/v1/orders/algorithms/preview", { body, ...options }))
    : await take(api.POST("/api/v1/orders/preview", { body, ...options }));
  return { hash: one.hash, needs_authorization: one.needs_authorization, legs: [one] };
}

/** What was asked for, in few words: "buy 10 TIDE at 100.05, with exits", "sell 10 TIDE at 110.00 or stop 90.00". */
export function described(body: Body): string {
  const [entry, ...others] = ordersOf(body);
  if (!entry) return "a list of orders";
  const text = `${entry.side} ${show(entry.qty)} ${entry.symbol}${atPrices(entry)}`;
  if (isParent(body)) return `${text} by ${nameOf(body.algorithm)}`;
  if (!isList(body)) return text;
  return body.contingency === "oco" ? [text, ...others.map(atPrices)].join(" or") : `${text}, with exits`;
}

/** What became of an order, in words. */
export function outcome(order: Order): string {
  const { symbol, side, qty, filled_qty: filled, leaves_qty: leaves } = order;
  const done = `${side === "buy" ? "Bought" : "Sold"} ${show(filled)} ${symbol} at ${briefly(order.avg_price)}`;
  const what = `${side === "buy" ? "buy" : "sell"} ${show(qty)} ${symbol}${atPrices(order)}`;
  const isExecuted = sign(filled) > 0;
  switch (order.status) {
    case "filled":
      return `${done}.`;
    case "partially_filled":
      return `${done}; ${show(leaves)} are working.`;
    case "rejected":
      return `Refused: ${order.reject?.message ?? what}.`;
    case "canceled":
    case "expired":
      return isExecuted ? `${done}; the rest was canceled.` : `Nothing was traded: ${what} was canceled.`;
    case "done_for_day":
      return isExecuted ? `${done}; ${show(leaves)} wait for the next day.` : `Waits for the next day: ${what}.`;
    case "pending_approval":
      return `Waits for a second person: ${what}.`;
    default:
      return `Working: ${what}.`;
  }
}
