// Own executions on the chart. Many of one bar would cover its price, so those of one side are one mark.

import { add, show } from "../format/number";
import type { Candle } from "./indicators";

export interface Fill {
  /** In seconds since the Unix epoch. */
  time: number;
  isBuy: boolean;
  /** Decimal text. */
  qty: string;
  price: number;
}

export interface FillMark {
  /** When its bar begins. */
  time: number;
  isBuy: boolean;
  /** The average by quantity; it is drawn, nobody is paid by it. */
  price: number;
  /** The whole quantity. */
  text: string;
}

/** Marks with their quantity; more of them would cover the prices. */
const TEXTS_MAX = 40;

/** One mark for each bar and side, oldest first; none before the first bar. */
export function fillMarks(fills: readonly Fill[], candles: readonly Candle[]): FillMark[] {
  const first = candles[0]?.time ?? Number.POSITIVE_INFINITY;
  const sums = new Map<string, { time: number; isBuy: boolean; qty: string; paid: number }>();
  let index = 0;
  for (const fill of fills.toSorted((a, b) => a.time - b.time)) {
    if (fill.time < first) continue;
    // The bar that it belongs to: intervals without a trade have none.
    while ((candles[index + 1]?.time ?? Number.POSITIVE_INFINITY) <= fill.time) index += 1;
    const time = candles[index]?.time ?? first;
    const key = `${time} ${fill.isBuy}`;
    const sum = sums.get(key) ?? { time, isBuy: fill.isBuy, qty: "0", paid: 0 };
    sums.set(key, { ...sum, qty: add(sum.qty, fill.qty), paid: sum.paid + fill.price * Number(fill.qty) });
  }
  return [...sums.values()].map(({ time, isBuy, qty, paid }) => ({
    time,
    isBuy,
    price: paid / Number(qty),
    text: sums.size > TEXTS_MAX ? "" : show(qty),
  }));
}
