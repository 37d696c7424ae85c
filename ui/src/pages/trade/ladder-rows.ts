// The rows of the ladder: one a price step, best prices in the middle.

import type { QueuePlace } from "../../api/reports";
import { add, multiply, sign } from "../../format/number";
import { isHeld, isWorking, type Order } from "../../live/account";
import type { Book } from "../../live/market";
import type { OrderType } from "./ticket-model";

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
  /** What sets it off: it is not in the book until then. `null`: it stands in the book. */
  waits: "stop" | "touch" | null;
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
  own: readonly Own[];
}

/** Whether an order is on the ladder: not one that is held for another, nor one that waits for a second person. */
export function isOnLadder(order: Order): boolean {
  const hasPrice = !!order.limit_price || !!order.stop_price;
  return hasPrice && isWorking(order) && !isHeld(order) && order.status !== "pending_approval";
}

/** Types that wait for a price outside of the book. */
const WAITING: Partial<Record<OrderType, Own["waits"]>> = {
  stop: "stop",
  stop_limit: "stop",
  trailing_stop: "stop",
  trailing_stop_limit: "stop",
  market_if_touched: "touch",
  limit_if_touched: "touch",
};

/** What an order waits for. Orders do not tell that they were set off: then they are executed, or have a place in the queue. */
function waitsFor(order: Order, place: QueuePlace | undefined): Own["waits"] {
  if (place || sign(order.filled_qty) > 0) return null;
  return (order.type && WAITING[order.type]) ?? null;
}

/** One's own orders by price step: where they rest, or the price that they wait for, if it is told. */
export function ownBySteps(orders: Order[], places: QueuePlace[] | undefined, step: string): Map<number, Own[]> {
  const own = new Map<number, Own[]>();
  for (const order of orders) {
    const { side } = order;
    const place = places?.find((one) => one.order === order.id);
    const waits = waitsFor(order, place);
    const price = waits ? order.stop_price : order.limit_price;
    if (!price || !side) continue;
    // A stop is reached by prices that go against the order: those of the other side.
    const at = stepsOf(price, step, waits === "stop" ? OTHER[side] : side);
    const here = own.get(at) ?? [];
    const before = here.find((one) => one.side === side && one.waits === waits);
    // The oldest is first in the queue, and orders come newest first.
    const now = {
      side,
      waits,
      qty: before ? add(before.qty, order.leaves_qty) : order.leaves_qty,
      ahead: place?.ahead ?? before?.ahead ?? null,
      behind: place?.behind ?? before?.behind ?? null,
    };
    own.set(at, [...here.filter((one) => one !== before), now]);
  }
  return own;
}

const OTHER = { buy: "sell", sell: "buy" } as const;
/** Where nothing is one's own: the same each time, so that a row is not drawn anew. */
const NONE: readonly Own[] = [];

interface Shape {
  book: Book;
  /** The step in the middle. */
  centre: number;
  count: number;
  step: string;
  own: Map<number, Own[]>;
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
      own: own.get(at) ?? NONE,
    };
  });
}
