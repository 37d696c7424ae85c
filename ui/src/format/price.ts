// Prices of orders: their steps, which depend on the price.

import { add, compare, multiply, show, subtract, toStep } from "./number";

/** What an instrument says of its prices. */
export interface PriceTerms {
  tick_size: string;
  order_tick: string;
  order_tick_from: string;
  tick_table?: string | null;
}

/** The step of order prices at a price: a band of the tick table, else the order tick, below which the market's tick holds. */
export function stepOf(terms: PriceTerms, price: string): string {
  const bands = (terms.tick_table ?? "").split(/\s+/).filter(Boolean);
  let step: string | undefined;
  for (const band of bands) {
    const [from = "0", tick = terms.tick_size] = band.split(":");
    if (step === undefined || compare(price, from) >= 0) step = tick;
  }
  if (step !== undefined) return step;
  return compare(price, terms.order_tick_from) >= 0 ? terms.order_tick : terms.tick_size;
}

/** With the digits of its step, and more only where it has more. */
export function priceText(terms: PriceTerms, price: string): string {
  const [whole = "0", fraction = ""] = price.split(".");
  const least = (stepOf(terms, price).split(".")[1] ?? "").length;
  const digits = fraction.replace(/0+$/, "").padEnd(least, "0");
  return digits ? `${whole}.${digits}` : whole;
}

/** For a sentence: without the zeros that say nothing, but with two digits. */
export function briefly(price: string | null | undefined): string {
  if (!price?.includes(".")) return show(price);
  const [whole, fraction = ""] = price.split(".");
  return show(`${whole}.${fraction.replace(/0+$/, "").padEnd(2, "0")}`);
}

/** The nearest price that an order may have. */
export function nearest(terms: PriceTerms, price: string): string {
  return priceText(terms, toStep(price, stepOf(terms, price)));
}

/** So many steps up, or down if below 0; never below one step. */
export function stepped(terms: PriceTerms, price: string, steps: number): string {
  const step = stepOf(terms, price);
  const moved = add(toStep(price, step), multiply(step, String(steps)));
  return priceText(terms, compare(moved, step) < 0 ? step : moved);
}

/** A quantity so many lots up or down; never below one lot. */
export function steppedQty(lot: string, qty: string, lots: number): string {
  const moved = add(toStep(qty || "0", lot), multiply(lot, String(lots)));
  return compare(moved, lot) < 0 ? lot : moved;
}

/** The middle of a market, else its last price: what positions are valued at. */
export function markOf(quote: {
  bid_price?: string | null;
  ask_price?: string | null;
  last_price?: string | null;
}): string | null {
  if (quote.bid_price && quote.ask_price) return multiply(add(quote.bid_price, quote.ask_price), "0.5");
  return quote.last_price ?? null;
}

/** What an open position has made at a price: its value there less its cost. */
export function unrealised(position: { qty: string; cost: string }, mark: string, multiplier: string): string {
  return subtract(multiply(multiply(mark, position.qty), multiplier), position.cost);
}
