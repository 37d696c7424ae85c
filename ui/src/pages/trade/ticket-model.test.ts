import { describe, expect, it } from "vitest";
import { setZone } from "../../format/time";
import {
  act,
  armed,
  bracketOf,
  EMPTY,
  missing,
  type OrderType,
  orderOf,
  retyped,
  type Ticket,
  wrongExits,
} from "./ticket-model";

// Everything that can be typed is typed: only what the type of order has may be sent.
const full: Ticket = {
  ...EMPTY,
  qty: "10",
  limit: "100.05",
  stop: "99",
  trail: "0.5",
  offset: "0.1",
  peg: "mid",
};

describe("the order that a ticket makes", () => {
  it.each<[OrderType, object]>([
    ["market", {}],
    ["limit", { limit_price: "100.05" }],
    ["stop", { stop_price: "99" }],
    ["stop_limit", { stop_price: "99", limit_price: "100.05" }],
    ["market_to_limit", {}],
    ["market_if_touched", { stop_price: "99" }],
    ["limit_if_touched", { stop_price: "99", limit_price: "100.05" }],
    ["trailing_stop", { trail_amount: "0.5", stop_price: "99" }],
    ["trailing_stop_limit", { trail_amount: "0.5", offset: "0.1", stop_price: "99" }],
    ["pegged", { peg: "mid", offset: "0.1", limit_price: "100.05" }],
  ])("%s has its own terms and no other", (type, terms) => {
    expect(orderOf({ ...full, type }, "a", "TIDE")).toEqual({
      account: "a",
      symbol: "TIDE",
      side: "buy",
      type,
      qty: "10",
      time_in_force: "day",
      ...terms,
    });
  });

  it("sends instructions only where they are given and can hold", () => {
    const ticket: Ticket = { ...full, trailBy: "percent", postOnly: "slide", hidden: true, display: "5", min: "2" };
    expect(orderOf(ticket, "a", "T")).toMatchObject({
      post_only: "slide",
      hidden: true,
      display_qty: "5",
      min_qty: "2",
    });
    expect(orderOf({ ...ticket, type: "market" }, "a", "T")).not.toHaveProperty("post_only");
    expect(orderOf({ ...ticket, tif: "ioc" }, "a", "T")).not.toHaveProperty("post_only");
    const trailing = orderOf({ ...ticket, type: "trailing_stop" }, "a", "T");
    expect(trailing).toMatchObject({ trail_percent: "0.5" });
    expect(trailing).not.toHaveProperty("trail_amount");
  });

  it("ends at a time of the user's, told in UTC", () => {
    const until = { ...full, tif: "gtd" as const, expireAt: "2030-01-02T03:04" };
    expect(orderOf(until, "a", "T").expire_at).toBe(new Date("2030-01-02T03:04").toISOString());
    setZone("America/New_York");
    expect(orderOf(until, "a", "T").expire_at).toBe("2030-01-02T08:04:00.000Z");
    setZone(undefined);
    expect(orderOf({ ...until, tif: "gtc" }, "a", "T")).not.toHaveProperty("expire_at");
  });

  it("names what is still to be entered", () => {
    expect(missing(EMPTY)).toBe("a quantity");
    expect(missing({ ...EMPTY, qty: "0" })).toBe("a quantity");
    expect(missing({ ...EMPTY, qty: "1" })).toBe("a limit price");
    expect(missing({ ...EMPTY, qty: "1", type: "trailing_stop_limit", trail: "1" })).toBe("an offset");
    expect(missing({ ...EMPTY, qty: "1", type: "pegged" })).toBeNull();
    expect(missing({ ...full, tif: "gtd" })).toBe("when it ends");
    expect(missing({ ...full, isBracket: true })).toBe("a take profit or a stop loss");
  });

  it("refuses exits on the wrong side of the entry, which is at its price or at what the market asks", () => {
    const bracket: Ticket = { ...EMPTY, qty: "30", limit: "135.15", isBracket: true };
    const quote = { bid_price: "135.1", ask_price: "135.2" };
    const wrong = (more: Partial<Ticket>) => wrongExits({ ...bracket, ...more }, quote);
    expect(wrong({ takeProfit: "133.45", stopLoss: "137.45" })).toBe(
      "The take profit of a buy must be above the entry's price, 135.15.",
    );
    expect(wrong({ takeProfit: "137.45", stopLoss: "135.15" })).toBe(
      "The stop loss of a buy must be below the entry's price, 135.15.",
    );
    expect(wrong({ takeProfit: "137.45", stopLoss: "133.45" })).toBeNull();
    expect(wrong({ side: "sell", takeProfit: "133.45", stopLoss: "137.45" })).toBeNull();
    expect(wrong({ side: "sell", takeProfit: "137.45" })).toMatch(/take profit of a sell must be below/);
    expect(wrong({ type: "market", takeProfit: "135.18" })).toMatch(/above the entry's price, 135.20/);
    expect(wrong({ type: "market", side: "sell", stopLoss: "135.05" })).toMatch(/above the entry's price, 135.10/);
    expect(wrong({ isBracket: false, takeProfit: "1" })).toBeNull();
    expect(wrongExits({ ...bracket, type: "market", takeProfit: "1" }, undefined)).toBeNull();
  });

  it("drops the prices that mean something else in another type of order", () => {
    const from = { ...full, type: "stop_limit" as const };
    expect(retyped(from, "trailing_stop")).toMatchObject({ type: "trailing_stop", stop: "", limit: "" });
    expect(retyped(from, "limit_if_touched")).toEqual({ algorithm: "", type: "limit_if_touched", stop: "" });
    expect(retyped(from, "stop")).toEqual({ algorithm: "", type: "stop", limit: "" });
    expect(retyped({ ...full, type: "limit" }, "market")).toEqual({ algorithm: "", type: "market", limit: "" });
    expect(retyped({ ...full, type: "trailing_stop_limit" }, "pegged")).toMatchObject({ offset: "", stop: "" });
  });

  it("makes a bracket of an entry and exits on the other side that outlive the day", () => {
    const list = bracketOf({ ...full, type: "limit", takeProfit: "110", stopLoss: "95" }, "a", "TIDE");
    expect(list.contingency).toBe("bracket");
    expect(
      list.legs.map(({ side, type, qty, limit_price, stop_price, time_in_force }) => [
        side,
        type,
        qty,
        limit_price ?? stop_price,
        time_in_force,
      ]),
    ).toEqual([
      ["buy", "limit", "10", "100.05", "day"],
      ["sell", "limit", "10", "110", "gtc"],
      ["sell", "stop", "10", "95", "gtc"],
    ]);
    expect(bracketOf({ ...full, type: "limit", stopLoss: "95" }, "a", "TIDE").legs).toHaveLength(2);
  });

  it("a click on the ladder gives side and limit, and a limit order where the type has none", () => {
    expect(armed({ ...full, type: "market" }, "sell", "101")).toMatchObject({
      side: "sell",
      type: "limit",
      limit: "101",
    });
    expect(armed({ ...full, type: "stop_limit" }, "buy", "101")).toMatchObject({ type: "stop_limit", limit: "101" });
  });

  it("the button names the act", () => {
    expect(act({ ...full, type: "limit" }, "TIDE")).toBe("Buy 10 TIDE limit 100.05");
    expect(act({ ...full, type: "market", side: "sell" }, "TIDE")).toBe("Sell 10 TIDE market");
    expect(act({ ...full, type: "stop_limit" }, "TIDE")).toBe("Buy 10 TIDE stop limit at 99, 100.05");
  });
});
