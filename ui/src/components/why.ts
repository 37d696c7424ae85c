import { show, sign } from "../format/number";
import type { Execution } from "../live/account";
import { words } from "./figures";

const CAUSES: Record<string, string> = {
  add: "an order that came to the book",
  execute: "a trade at its price",
  execute_at_price: "a trade at another price",
  reduce: "part of an order ahead that was canceled",
  delete: "an order that left the book",
  replace: "an order that was replaced",
  trade: "a trade beside the book",
  cross: "an auction",
};

const MODELS: Record<string, string> = {
  exact: "its exact place in the queue is known",
  risk_averse: "only trades brought it forward",
  power: "cancels were shared between ahead and behind by a power",
  log: "cancels were shared between ahead and behind by a logarithm",
  square: "cancels were shared between ahead and behind by the square",
  quotes: "decided by quotes and trades",
  bars: "decided by the bar that passed its price",
};

/** Why an execution happened, in sentences. */
export function reason({ type, liquidity, why }: Execution): string {
  if (type === "trade_cancel") return "The venue took the trade back.";
  if (type === "trade_correct") return "The venue put the trade right.";
  const cause = why.cause_kind ? (CAUSES[why.cause_kind] ?? words(why.cause_kind).toLowerCase()) : null;
  const model = why.fill_model ? (MODELS[why.fill_model] ?? words(why.fill_model).toLowerCase()) : null;
  const told = model ? ` On paper: ${model}.` : "";
  if (liquidity === "auction") return `It traded in an auction.${told}`;
  if (liquidity === "maker") {
    const filled = cause ? `, until ${cause} filled it` : ", until it was filled";
    if (!why.queue_ahead_at_entry) return `It rested${filled}.${told}`;
    const left = why.queue_ahead_at_fill ?? "0";
    const place = `It rested behind ${show(why.queue_ahead_at_entry)}${filled}`;
    return sign(left) > 0
      ? `${place}: the market went through its price with ${show(left)} still ahead.${told}`
      : `${place}.${told}`;
  }
  if (liquidity === "taker") {
    const impact = why.impact && sign(why.impact) > 0 ? `; ${show(why.impact)} of its price is its own impact` : "";
    return `It took what was displayed${impact}.${told}`;
  }
  return cause ? `Filled by ${cause}.${told}` : "The venue told it.";
}
