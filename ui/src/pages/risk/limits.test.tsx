import { describe, expect, it } from "vitest";
import { limitRows } from "./in-force";
import { raised, wrong } from "./limits";

const LIMITS = {
  max_order_notional: "100000.00",
  credit: "0.00",
  max_order_lots: 100,
  max_position_lots: 1_000,
  price_collar_bp: 1_000,
  max_open_orders: 500,
  messages_per_sec: 50,
  message_burst: 100,
};
const texts = Object.fromEntries(Object.entries(LIMITS).map(([name, limit]) => [name, String(limit)])) as Parameters<
  typeof raised
>[1];

describe("raised", () => {
  it("names what is higher, for which a second person is needed", () => {
    expect(raised(LIMITS, texts)).toEqual([]);
    expect(raised(LIMITS, { ...texts, max_order_lots: "99", credit: "0" })).toEqual([]);
    expect(raised(LIMITS, { ...texts, max_order_lots: "99", credit: "0.01" })).toEqual(["credit"]);
    expect(raised(LIMITS, { ...texts, max_open_orders: "many" })).toEqual([]);
  });
});

describe("wrong", () => {
  it("takes amounts of money and whole numbers", () => {
    expect(wrong("credit", "12.50")).toBeUndefined();
    expect(wrong("credit", "-1")).toBeDefined();
    expect(wrong("credit", "")).toBeDefined();
    expect(wrong("max_open_orders", "12")).toBeUndefined();
    for (const text of ["1.5", "-1", "1e3", ""]) expect(wrong("max_open_orders", text)).toBeDefined();
  });
});

describe("limitRows", () => {
  it("has a use only where it is told", () => {
    const used = { open_orders: 3, largest_position_lots: null };
    expect(limitRows(LIMITS).some((row) => row.used !== undefined)).toBe(false);
    const rows = limitRows({ ...LIMITS, used }).filter((row) => row.used !== undefined);
    expect(rows).toMatchObject([{ name: "Open orders", used: 3, max: 500 }]);
  });
});
