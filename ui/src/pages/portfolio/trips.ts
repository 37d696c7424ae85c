// Round trips: what the executions in a symbol come to, from flat to flat. A reversal ends one and begins the next.
//
// Executions are loaded from the newest back, so the walk does not begin at flat but where the position says it did: what is held,
// less what is loaded. Where that is not flat, the entry of the first trip is not loaded, and nothing is said of it that needs it.

import type { Schemas } from "../../api/client";
import { add, compare, divide, multiply, percentOf, sign, subtract } from "../../format/number";
import { millis } from "../../format/time";
import { type Execution, isAfter, type Position } from "../../live/account";

type Side = Schemas["Side"];

/** Positions, those that are flat among them, and the last event that they include. */
export interface Held {
  as_of: string;
  positions: readonly Pick<Position, "symbol" | "qty" | "bought" | "sold">[];
}

export interface Trip {
  id: string;
  symbol: string;
  currency: string;
  /** `unclear`: a correction of an execution in it names none, so that no figure is sure, nor any of what is before it. */
  state: "closed" | "open" | "not loaded" | "unclear";
  /** The side it was entered on: to buy is to be long. Nothing where that is unclear. */
  side: Side | null;
  entered: Execution | null;
  left: Execution | null;
  /** When it was executed last. */
  at: string;
  duration_ms: number | null;
  /** The largest quantity that was held. */
  qty: string | null;
  /** Average prices, rounded: for show only. */
  entry: string | null;
  exit: string | null;
  /** Before fees. */
  gross: string | null;
  fees: string | null;
  net: string | null;
  /** Net of what was paid for the entries, or got for them if short. */
  percent: string | null;
}

const AVERAGE_DIGITS = 8;
/** Of the parts of a fee that a reversal pays for leaving and for entering. */
const FEE_DIGITS = 8;

/** An execution as it is booked now. */
interface Fill {
  row: Execution;
  qty: string;
  price: string;
  fee: string;
  isAmended: boolean;
  isUnclear: boolean;
}

function isAlike(a: Fill, b: Fill): boolean {
  return compare(a.qty, b.qty) === 0 && compare(a.price, b.price) === 0 && compare(a.fee, b.fee) === 0;
}

/** What is executed, oldest first, each in the place that it had first. The engine books what was taken back or put right as if it
 * had been so from the start. The API names the order of such an execution, not the execution: it may be any that fits. */
function booked(rows: readonly Execution[]): Fill[] {
  const fills: Fill[] = [];
  for (const row of rows) {
    const { type, order, liquidity, side, qty, price, fee } = row;
    if (type === "trade") {
      fills.push({ row, qty, price: price ?? "0", fee, isAmended: false, isUnclear: !side || !price });
      continue;
    }
    // What is no trade, such as a kind that is yet to come, makes no trip.
    if (type !== "trade_cancel" && type !== "trade_correct") continue;
    const isCancel = type === "trade_cancel";
    const fitting = fills.filter(
      (fill) =>
        fill.row.order === order &&
        fill.row.side === side &&
        fill.row.liquidity === liquidity &&
        sign(fill.qty) > 0 &&
        (isCancel
          ? compare(fill.qty, qty) === 0 && compare(fill.price, price ?? "0") === 0
          : compare(fill.qty, qty) >= 0),
    );
    const meant = fitting.at(-1);
    if (!meant) continue;
    if (!fitting.every((fill) => isAlike(fill, meant))) for (const fill of fitting) fill.isUnclear = true;
    Object.assign(meant, { qty: isCancel ? "0" : qty, price: price ?? meant.price, fee, isAmended: true });
  }
  return fills;
}

function quantityOf(fills: readonly Fill[], side: Execution["side"]): string {
  return fills.filter((fill) => fill.row.side === side).reduce((sum, fill) => add(sum, fill.qty), "0");
}

function size(value: string): string {
  return sign(value) < 0 ? subtract("0", value) : value;
}

/** What has come together of a trip so far. */
interface Walk {
  isWhole: boolean;
  side: Side;
  first: Execution;
  last: Execution;
  /** Place of its first fill. */
  from: number;
  largest: string;
  entered: { qty: string; value: string };
  left: { qty: string; value: string };
  fees: string;
}

function more(sum: { qty: string; value: string }, qty: string, price: string): { qty: string; value: string } {
  return { qty: add(sum.qty, qty), value: add(sum.value, multiply(qty, price)) };
}

function told(walk: Walk, isClosed: boolean, multiplier: string | null): Trip {
  const { first, last, side, isWhole, entered, left, fees } = walk;
  const profit = side === "buy" ? subtract(left.value, entered.value) : subtract(entered.value, left.value);
  const gross = isWhole && isClosed && multiplier !== null ? multiply(profit, multiplier) : null;
  const net = gross === null ? null : subtract(gross, fees);
  const paid = multiply(size(entered.value), multiplier ?? "1");
  return {
    id: `${first.symbol} ${isWhole ? first.id : ""}`,
    symbol: first.symbol,
    currency: first.currency,
    state: !isWhole ? "not loaded" : isClosed ? "closed" : "open",
    side,
    entered: isWhole ? first : null,
    left: isClosed ? last : null,
    at: last.at,
    duration_ms: isWhole && isClosed ? millis(last.at) - millis(first.at) : null,
    qty: isWhole ? walk.largest : null,
    entry: isWhole ? divide(entered.value, entered.qty, AVERAGE_DIGITS) : null,
    exit: isWhole ? divide(left.value, left.qty, AVERAGE_DIGITS) : null,
    gross,
    fees: isWhole ? fees : null,
    net,
    percent: net === null ? null : percentOf(net, paid),
  };
}

/** A trip with the places of its first and last fill. */
interface Placed {
  trip: Trip;
  from: number;
  to: number;
}

/** Trips of one symbol, oldest first, from a position on. */
function walked(fills: readonly Fill[], start: string, multiplier: string | null): Placed[] {
  const trips: Placed[] = [];
  let position = start;
  let walk: Walk | null = null;
  const begin = (row: Execution, from: number, isWhole: boolean, side: Side): Walk => {
    const none = { qty: "0", value: "0" };
    return { isWhole, side, first: row, last: row, from, largest: "0", entered: none, left: none, fees: "0" };
  };
  for (const [index, { row, qty, price, fee }] of fills.entries()) {
    if (!walk && sign(position) !== 0) walk = begin(row, index, false, sign(position) > 0 ? "buy" : "sell");
    if (sign(qty) === 0) {
      // Taken back: what its order still owes is paid all the same.
      if (walk) walk.fees = add(walk.fees, fee);
      continue;
    }
    const side = row.side === "buy" ? "buy" : "sell";
    const moved = (by: string) => (side === "buy" ? add(position, by) : subtract(position, by));
    let [rest, restFee] = [qty, fee];
    if (walk && walk.side !== side) {
      const isReversal = compare(qty, size(position)) > 0;
      const closing = isReversal ? size(position) : qty;
      const part = isReversal ? (divide(multiply(fee, closing), qty, FEE_DIGITS) ?? fee) : fee;
      walk.left = more(walk.left, closing, price);
      walk.fees = add(walk.fees, part);
      walk.last = row;
      position = moved(closing);
      [rest, restFee] = [subtract(qty, closing), subtract(fee, part)];
      if (sign(position) === 0) {
        trips.push({ trip: told(walk, true, multiplier), from: walk.from, to: index });
        walk = null;
      }
    }
    if (sign(rest) > 0) {
      walk ??= begin(row, index, true, side);
      walk.entered = more(walk.entered, rest, price);
      walk.fees = add(walk.fees, restFee);
      walk.last = row;
      position = moved(rest);
      if (compare(size(position), walk.largest) > 0) walk.largest = size(position);
    }
  }
  if (walk) trips.push({ trip: told(walk, false, multiplier), from: walk.from, to: fills.length });
  return trips;
}

/** A trip of which nothing is sure but when it was left, and that only if nothing unclear is after it. */
function unclear({ trip, to }: Placed, last: number): Trip {
  const nothing = { qty: null, entry: null, exit: null, gross: null, fees: null, net: null, percent: null };
  const left = to >= last ? trip.left : null;
  return { ...trip, ...nothing, state: "unclear", side: null, entered: null, left, duration_ms: null };
}

/**
 * The round trips that executions come to, the newest first. `rows` are all of an account that are known, the newest first, back to
 * some place. Without the multiplier of its instrument no profit is told.
 */
export function roundTrips(
  rows: readonly Execution[],
  held: Held,
  multiplierOf: (symbol: string) => string | undefined,
): Trip[] {
  const bySymbol = new Map<string, Execution[]>();
  for (const row of rows.toReversed()) {
    // What takes back or puts right changes the position of before: only with the next position is it known what it did.
    if (row.type !== "trade" && isAfter(row.seq, held.as_of)) continue;
    const own = bySymbol.get(row.symbol);
    if (own) own.push(row);
    else bySymbol.set(row.symbol, [row]);
  }
  const trips = [...bySymbol].flatMap(([symbol, own]) => {
    const fills = booked(own);
    const position = held.positions.find((one) => one.symbol === symbol) ?? { qty: "0", bought: "0", sold: "0" };
    const included = fills.filter((fill) => !isAfter(fill.row.seq, held.as_of));
    const [bought, sold] = [quantityOf(included, "buy"), quantityOf(included, "sell")];
    const isComplete = compare(bought, position.bought) === 0 && compare(sold, position.sold) === 0;
    const start = subtract(position.qty, subtract(bought, sold));
    const found = walked(fills, start, multiplierOf(symbol) ?? null);
    // Of a history in parts, what is taken back or put right may not be loaded: what looks like it need not be it.
    const last = fills.findLastIndex((fill) => fill.isUnclear || (fill.isAmended && !isComplete));
    const sure = found.filter(({ from }) => from > last).map(({ trip }) => trip);
    const doubtful = found.findLast(({ from }) => from <= last);
    return (doubtful ? [unclear(doubtful, last), ...sure] : sure).toReversed();
  });
  return trips.sort((a, b) => millis(b.at) - millis(a.at));
}

export interface Summary {
  currency: string;
  closed: number;
  /** Per cent of those that are closed. */
  winners: string | null;
  win: string | null;
  loss: string | null;
  /** What winners gained, for each unit that losers lost. */
  factor: string | null;
  net: string;
}

/** What closed trips come to, by currency. */
export function summaries(trips: readonly Trip[]): Summary[] {
  const currencies = [...new Set(trips.map((trip) => trip.currency))].sort();
  return currencies.map((currency) => {
    const nets = trips.flatMap((trip) => (trip.currency === currency && trip.net !== null ? [trip.net] : []));
    const sum = (values: string[]) => values.reduce(add, "0");
    const wins = nets.filter((net) => sign(net) > 0);
    const losses = nets.filter((net) => sign(net) < 0);
    return {
      currency,
      closed: nets.length,
      winners: percentOf(String(wins.length), String(nets.length)),
      win: divide(sum(wins), String(wins.length), AVERAGE_DIGITS),
      loss: divide(sum(losses), String(losses.length), AVERAGE_DIGITS),
      factor: divide(sum(wins), size(sum(losses)), 2),
      net: sum(nets),
    };
  });
}
