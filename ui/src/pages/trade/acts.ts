// What can be done to orders and positions that stand.

import type { QueryClient } from "@tanstack/react-query";
import { api, type Schemas, take } from "../../api/client";
import { tell } from "../../components/notices";
import { show, sign } from "../../format/number";
import { briefly } from "../../format/price";
import { keys, merge, type Order, type Position, told } from "../../live/account";

function keep(client: QueryClient, order: Order): void {
  if (!order.account) return;
  client.setQueryData<Order[]>(keys.orders(order.account), (rows) => rows && merge(rows, order));
}

export async function cancel(client: QueryClient, order: Order): Promise<void> {
  const now = await take(api.DELETE("/api/v1/orders/{id}", { params: { path: { id: order.id } } }));
  keep(client, now);
  tell(now.status === "canceled" ? `Canceled: ${told(order)}.` : `Its venue was asked to cancel: ${told(order)}.`);
}

export async function replace(client: QueryClient, order: Order, body: Schemas["Replace"]): Promise<void> {
  const now = await take(api.PATCH("/api/v1/orders/{id}", { params: { path: { id: order.id } }, body }));
  keep(client, now);
  tell(now.status === "pending_replace" ? `Its venue was asked: ${told(now)}.` : `Replaced: ${told(now)}.`);
}

export async function cancelAll(account: string, symbol?: string): Promise<void> {
  const query = { account, ...(symbol ? { symbol } : {}) };
  const { canceled } = await take(api.DELETE("/api/v1/orders", { params: { query } }));
  tell(canceled === 1 ? "One order is canceled." : `${show(String(canceled))} orders are canceled.`);
}

export async function flatten(account: string, position: Position): Promise<void> {
  const params = { path: { id: account } };
  await take(
    api.POST("/api/v1/accounts/{id}/flatten", { params, body: { symbol: position.symbol, take_back: false } }),
  );
  tell(`${position.symbol} is being closed: ${sign(position.qty) > 0 ? "sold" : "bought back"} at the market.`);
}

/** What a line of the chart that was dropped at a price changes: the limit, or the stop of an order that has no limit. */
export function dropped(order: Order, price: string): { text: string; body: Schemas["Replace"] } {
  if (order.limit_price) {
    return { text: `Replace limit ${briefly(order.limit_price)} → ${briefly(price)}?`, body: { limit_price: price } };
  }
  return { text: `Replace stop ${briefly(order.stop_price)} → ${briefly(price)}?`, body: { stop_price: price } };
}
