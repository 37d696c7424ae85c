// How many lots an amount of money pays for.

import { compare, divide, multiply, sign, subtract } from "../../format/number";
import type { Instrument } from "../../shell/user";

/** What one lot comes to at a price. */
export function lotAt({ multiplier, order_lot: lot }: Pick<Instrument, "multiplier" | "order_lot">, price: string) {
  return multiply(multiply(price, multiplier), lot);
}

/** The largest quantity of whole lots that an amount pays for; nothing where it does not pay for one. */
export function affordable(amount: string, perLot: string, lot: string): string | null {
  const nearest = sign(perLot) > 0 ? divide(amount, perLot, 0) : null;
  if (nearest === null) return null;
  const lots = compare(multiply(nearest, perLot), amount) > 0 ? subtract(nearest, "1") : nearest;
  return sign(lots) > 0 ? multiply(lots, lot) : null;
}
