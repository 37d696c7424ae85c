// The rows of the ladder: one a price step, best prices in the middle.

import type { QueuePlace } from "../../api/reports";
import { add, multiply } from "../../format/number";
import { isHeld, isWorking, type Order } from "../../live/account";
import type { Book } from "../../live/market";

/** A price as a number of steps. Prices are below 2^53 of them; one between two steps goes to the worse one. */
export function stepsOf(price: string, step: string, side?: "buy" | "sell"): number {
  const steps = Number(price) / Number(step);
  if (Math.abs(steps - Math.round(steps)) < 1e-6 || !side) return Math.round(steps);
  return side === "buy" ? Math.floor(steps) : Math.ceil(steps);
}

/** One's own at one price. */
export interface Own {
  side: "buy" | "sell";
  qty: string;
  /** Displayed ahead of the first of them; `null` where it is not known. */
  ahead: string | null;
  behind: string | null;
}

export interface LadderRow {
  /** Its price as a number of steps. */
  at: number;
  price: string;
  bid: string;
  ask: string;
  /** Of the largest that is seen, in hundredths. */
  share: number;
  own: Own | undefined;
}

/** Whether an order stands in the book: not one that is held for another, nor one that waits for a second person. */
export function isResting(order: Order): boolean {
  return !!order.limit_price && isWorking(order) && !isHeld(order) && order.status !== "pending_approval";
}

/** One's own resting orders by price step. */
export function ownBySteps(orders: Order[], places: QueuePlace[] | undefined, step: string): Map<number, Own> {
  const own = new Map<number, Own>();
  for (const order of orders) {
    if (!order.limit_price || !order.side) continue;
    const at = stepsOf(order.limit_price, step, order.side);
    const place = places?.find((one) => one.order === order.id);
    const before = own.get(at);
    // The oldest is first in the queue, and orders come newest first.
    own.set(at, {
      side: order.side,
      qty: before ? add(before.qty, order.leaves_qty) : order.leaves_qty,
      ahead: place?.ahead ?? before?.ahead ?? null,
      behind: place?.behind ?? before?.behind ?? null,
    });
  }
  return own;
}

interface Shape {
  book: Book;
  /** The step in the middle. */
  centre: number;
  count: number;
  step: string;
  own: Map<number, Own>;
}

/** Rows from the highest price down. Prices below one step are left out. */
export function ladderRows({ book, centre, count, step, own }: Shape): LadderRow[] {
  const bids = new Map<number, string>();
  const asks = new Map<number, string>();
  for (const [levels, side, into] of [
    [book.bids, "buy", bids],
    [book.asks, "sell", asks],
  ] as const) {
    for (const level of levels) {
      const at = stepsOf(level.price, step, side);
      const before = into.get(at);
      into.set(at, before ? add(before, level.qty) : level.qty);
    }
  }
  const top = centre + Math.floor(count / 2);
  const seen = Array.from({ length: count }, (_, row) => top - row).filter((at) => at > 0);
  const most = Math.max(...seen.map((at) => Math.max(Number(bids.get(at) ?? 0), Number(asks.get(at) ?? 0))), 0);
  return seen.map((at) => {
    const [bid, ask] = [bids.get(at) ?? "", asks.get(at) ?? ""];
    const largest = Math.max(Number(bid), Number(ask));
    return {
      at,
      price: multiply(step, String(at)),
      bid,
      ask,
      share: most > 0 ? Math.round((100 * largest) / most) : 0,
      own: own.get(at),
    };
  });
}
