// What is typed into the ticket, and the order that it makes.

import type { Schemas } from "../../api/client";
import { compare, isDecimal, sign } from "../../format/number";
import { briefly } from "../../format/price";
import { instantOf } from "../../format/time";
import type { Instrument } from "../../shell/user";
import { lacking, type NewParent, NOT_WORKED, nameOf, termsOf, type Work } from "./algorithm";

export type Side = Schemas["Side"];
export type OrderType = Schemas["OrderType"];
export type TimeInForce = Schemas["TimeInForce"];
export type NewOrder = Schemas["NewOrder"];
export type NewList = Schemas["NewList"];

/** Where a position is to end; what is empty is not given. */
export interface Exits {
  takeProfit: string;
  stopLoss: string;
}

export const NO_EXITS: Exits = { takeProfit: "", stopLoss: "" };

export interface Ticket extends Exits, Work {
  side: Side;
  type: OrderType;
  qty: string;
  limit: string;
  stop: string;
  trail: string;
  trailBy: "amount" | "percent";
  peg: Schemas["PegKind"];
  offset: string;
  tif: TimeInForce;
  /** Of `gtd`: as a field for a local time has it. */
  expireAt: string;
  postOnly: "" | Schemas["PostOnly"];
  hidden: boolean;
  display: string;
  min: string;
  isBracket: boolean;
}

export const EMPTY: Ticket = {
  side: "buy",
  type: "limit",
  qty: "",
  limit: "",
  stop: "",
  trail: "",
  trailBy: "amount",
  peg: "primary",
  offset: "",
  tif: "day",
  expireAt: "",
  postOnly: "",
  hidden: false,
  display: "",
  min: "",
  isBracket: false,
  ...NO_EXITS,
  ...NOT_WORKED,
};

export const TYPES: readonly (readonly [OrderType, string])[] = [
  ["market", "Market"],
  ["limit", "Limit"],
  ["stop", "Stop"],
  ["stop_limit", "Stop limit"],
  ["market_to_limit", "Market to limit"],
  ["market_if_touched", "Market if touched"],
  ["limit_if_touched", "Limit if touched"],
  ["trailing_stop", "Trailing stop"],
  ["trailing_stop_limit", "Trailing stop limit"],
  ["pegged", "Pegged"],
];

export const TIMES: readonly (readonly [TimeInForce, string])[] = [
  ["day", "Day"],
  ["gtc", "Until canceled"],
  ["ioc", "Immediate or cancel"],
  ["fok", "Fill or kill"],
  ["gtd", "Until a date"],
  ["at_the_open", "At the open"],
  ["at_the_close", "At the close"],
];

type Name = "limit" | "stop" | "trail" | "peg" | "offset";

/** What a type of order is priced by; `optional` may stay empty. */
const TERMS: Record<OrderType, { needs: Name[]; optional?: Name[] }> = {
  market: { needs: [] },
  limit: { needs: ["limit"] },
  stop: { needs: ["stop"] },
  stop_limit: { needs: ["stop", "limit"] },
  market_to_limit: { needs: [] },
  market_if_touched: { needs: ["stop"] },
  limit_if_touched: { needs: ["stop", "limit"] },
  trailing_stop: { needs: ["trail"], optional: ["stop"] },
  trailing_stop_limit: { needs: ["trail", "offset"], optional: ["stop"] },
  pegged: { needs: ["peg"], optional: ["offset", "limit"] },
};

/** Whether a type of order has a term at all. */
export function has(type: OrderType, name: Name): boolean {
  const { needs, optional } = TERMS[type];
  return needs.includes(name) || !!optional?.includes(name);
}

/** Whether it may stay empty. */
export function isOptional(type: OrderType, name: Name): boolean {
  return !!TERMS[type].optional?.includes(name);
}

/** Whether an order can rest without taking, which post-only asks for. */
export function mayRest(ticket: Ticket): boolean {
  const rests = ["limit", "stop_limit", "limit_if_touched", "trailing_stop_limit", "pegged"].includes(ticket.type);
  return rests && ticket.tif !== "ioc" && ticket.tif !== "fok";
}

/** What the paper venue does not know: it has orders of ours in somebody else's book, where nobody sees them. */
export function isPaper(instrument: Instrument | undefined): boolean {
  return instrument?.venue_kind === "paper";
}

const LABELS: Record<Name | "qty" | "expireAt" | "exits", string> = {
  qty: "a quantity",
  limit: "a limit price",
  stop: "a stop price",
  trail: "how far it trails",
  peg: "what it follows",
  offset: "an offset",
  expireAt: "when it ends",
  exits: "a take profit or a stop loss",
};

/** The first thing that is still to be entered, in words. */
export function missing(ticket: Ticket): string | null {
  const isGiven = (text: string) => isDecimal(text);
  if (!isGiven(ticket.qty) || sign(ticket.qty) <= 0) return LABELS.qty;
  if (ticket.algorithm) return ticket.limit && !isGiven(ticket.limit) ? LABELS.limit : lacking(ticket);
  for (const name of TERMS[ticket.type].needs) {
    if (name !== "peg" && !isGiven(ticket[name])) return LABELS[name];
  }
  if (ticket.tif === "gtd" && !ticket.expireAt) return LABELS.expireAt;
  if (ticket.isBracket && !isGiven(ticket.takeProfit) && !isGiven(ticket.stopLoss)) return LABELS.exits;
  return null;
}

/** What an order is taken to be executed at: its own price, or what the market now asks of it. */
export function pricedAt(ticket: Ticket, quote: Touch | undefined): string | null | undefined {
  for (const name of ["limit", "stop"] as const) {
    if (has(ticket.type, name) && isDecimal(ticket[name])) return ticket[name];
  }
  return ticket.side === "buy" ? quote?.ask_price : quote?.bid_price;
}

/** The market's best prices. */
type Touch = { bid_price?: string | null; ask_price?: string | null };

/** Why the exits of a bracket cannot stand. */
export function wrongExits(ticket: Ticket, quote: Touch | undefined): string | null {
  const entry = ticket.isBracket ? pricedAt(ticket, quote) : null;
  return misplaced(ticket.side, ticket, entry, `a ${ticket.side}`, "the entry's price");
}

/**
 * Why exits of what was bought or sold cannot stand beside a price: on the wrong side of it they would execute at once. `of` and
 * `whose` say in the sentence what is left and whose price it is.
 */
export function misplaced(
  side: Side,
  { takeProfit, stopLoss }: Exits,
  from: string | null | undefined,
  of: string,
  whose: string,
): string | null {
  if (!from) return null;
  const [takes, stops] = side === "buy" ? ["above", "below"] : ["below", "above"];
  const isWrong = (price: string, way: string | undefined) =>
    isDecimal(price) && (way === "above" ? compare(price, from) <= 0 : compare(price, from) >= 0);
  const why = (what: string, way: string | undefined) =>
    `The ${what} of ${of} must be ${way} ${whose}, ${briefly(from)}.`;
  if (isWrong(takeProfit, takes)) return why("take profit", takes);
  if (isWrong(stopLoss, stops)) return why("stop loss", stops);
  return null;
}

/** What a price of a type of order means; those of another type may mean something else under the same name. */
function meaning(type: OrderType, name: Name): string | null {
  if (!has(type, name)) return null;
  if (type === "pegged") return `pegged ${name}`;
  if (name === "stop" && type.includes("touched")) return "touch";
  if (name === "stop" && type.startsWith("trailing")) return "start";
  return name;
}

/** Another type of order, sent as one, without the prices that mean something else there: a stop price is no start of a trail. */
export function retyped(ticket: Ticket, type: OrderType): Partial<Ticket> {
  const prices = ["limit", "stop", "trail", "offset"] as const;
  const dropped = prices.filter((name) => meaning(type, name) !== meaning(ticket.type, name));
  return { type, algorithm: "", ...Object.fromEntries(dropped.map((name) => [name, ""])) };
}

/** A ticket that is worked by an algorithm: a limit order, or where no price is given a market order, without exits. */
export function workedBy(ticket: Ticket, algorithm: Work["algorithm"]): Partial<Ticket> {
  const tif = ticket.tif === "gtc" ? "gtc" : "day";
  return { ...retyped(ticket, "limit"), algorithm, tif, isBracket: false };
}

/** What a ticket sends. */
export function bodyOf(ticket: Ticket, account: string, symbol: string): NewOrder | NewList | NewParent {
  const { algorithm, isBracket } = ticket;
  if (!algorithm) return isBracket ? bracketOf(ticket, account, symbol) : orderOf(ticket, account, symbol);
  return { order: orderOf(plain(ticket), account, symbol), ...termsOf(ticket, algorithm) };
}

/** The order that is worked, as one that is not: without what its children cannot have. */
export function plain(ticket: Ticket): Ticket {
  const type = ticket.algorithm && !ticket.limit ? "market" : ticket.type;
  return { ...ticket, type, algorithm: "", isBracket: false, postOnly: "", hidden: false, display: "", min: "" };
}

/** The order that a ticket makes. */
export function orderOf(ticket: Ticket, account: string, symbol: string): NewOrder {
  const { type } = ticket;
  const given = (name: Exclude<Name, "peg" | "trail">, field: "limit_price" | "stop_price" | "offset") =>
    has(type, name) && ticket[name] !== "" ? { [field]: ticket[name] } : {};
  return {
    account,
    symbol,
    side: ticket.side,
    type,
    qty: ticket.qty,
    time_in_force: ticket.tif,
    ...given("limit", "limit_price"),
    ...given("stop", "stop_price"),
    ...given("offset", "offset"),
    ...(has(type, "trail") ? { [ticket.trailBy === "amount" ? "trail_amount" : "trail_percent"]: ticket.trail } : {}),
    ...(type === "pegged" ? { peg: ticket.peg } : {}),
    ...(ticket.tif === "gtd" ? { expire_at: instantOf(ticket.expireAt) } : {}),
    ...(ticket.postOnly && mayRest(ticket) ? { post_only: ticket.postOnly } : {}),
    ...(ticket.hidden ? { hidden: true } : {}),
    ...(ticket.display ? { display_qty: ticket.display } : {}),
    ...(ticket.min ? { min_qty: ticket.min } : {}),
  };
}

/** An entry with its exits, which close what it has executed: a limit order, a stop order, or both, of which one cancels the other. */
export function bracketOf(ticket: Ticket, account: string, symbol: string): NewList {
  const side = ticket.side === "buy" ? "sell" : "buy";
  return {
    contingency: "bracket",
    legs: [orderOf(ticket, account, symbol), ...legsOf(account, symbol, side, ticket.qty, ticket)],
  };
}

/** What ends a position of a quantity, below 0 if it is short: one order, or two of which one cancels the other. */
export function exitsOf(account: string, symbol: string, qty: string, exits: Exits): NewOrder | NewList | null {
  const given = [exits.takeProfit, exits.stopLoss].filter(Boolean);
  if (sign(qty) === 0 || !given.every(isDecimal)) return null;
  const [first, second] = legsOf(account, symbol, sign(qty) > 0 ? "sell" : "buy", qty.replace("-", ""), exits);
  if (!first) return null;
  return second ? { contingency: "oco", legs: [first, second] } : first;
}

function legsOf(account: string, symbol: string, side: Side, qty: string, exits: Exits): NewOrder[] {
  // An exit outlives the day: it guards what is held.
  const exit = { account, symbol, side, qty, time_in_force: "gtc" as const };
  return [
    ...(exits.takeProfit ? [{ ...exit, type: "limit" as const, limit_price: exits.takeProfit }] : []),
    ...(exits.stopLoss ? [{ ...exit, type: "stop" as const, stop_price: exits.stopLoss }] : []),
  ];
}

/** What a click on the ladder makes of a ticket: a plain limit order at that price. */
export function armed(ticket: Ticket, side: Side, price: string): Ticket {
  const type = has(ticket.type, "limit") && ticket.type !== "pegged" ? ticket.type : "limit";
  return { ...ticket, side, type, limit: price };
}

/** What the button says: "Buy 10 TIDE limit 100.05". */
export function act(ticket: Ticket, symbol: string): string {
  const worked = ticket.algorithm && `${nameOf(ticket.algorithm)}${ticket.limit ? " limit" : ""}`;
  const type = worked || (TYPES.find(([name]) => name === ticket.type)?.[1].toLowerCase() ?? "");
  const price = has(ticket.type, "limit") && ticket.limit ? ` ${ticket.limit}` : "";
  const stop = has(ticket.type, "stop") && ticket.stop ? ` at ${ticket.stop}` : "";
  const kind = ticket.type === "stop_limit" || ticket.type === "limit_if_touched" ? `${type}${stop},${price}` : "";
  const verb = ticket.side === "buy" ? "Buy" : "Sell";
  return `${verb} ${ticket.qty || "…"} ${symbol} ${kind || `${type}${price}${stop}`}${ticket.isBracket ? " with exits" : ""}`;
}
