import { describe, expect, it } from "vitest";
import type { Why } from "../api/reports";
import type { Execution } from "../live/account";
import { reason } from "./why";

const NONE: Why = {
  fill_model: null,
  cause_kind: null,
  cause_seq: null,
  queue_ahead_at_entry: null,
  queue_ahead_at_fill: null,
  impact: null,
};
const told = (liquidity: Execution["liquidity"], why: Partial<Why>, type = "trade") =>
  reason({ type, liquidity, why: { ...NONE, ...why } } as Execution);

describe("reason", () => {
  it("says where an order stood that rested", () => {
    const why = { fill_model: "exact", cause_kind: "execute", queue_ahead_at_entry: "1200", queue_ahead_at_fill: "0" };
    const text = told("maker", why);
    expect(text).toContain("rested behind 1,200, until a trade at its price filled it.");
    expect(text).toContain("exact place");
    expect(told("maker", { ...why, queue_ahead_at_fill: "300" })).toContain("with 300 still ahead");
  });

  it("says what an order that took did to its price, if it did", () => {
    expect(told("taker", { impact: "0.02" })).toBe("It took what was displayed; 0.02 of its price is its own impact.");
    expect(told("taker", { impact: "0" })).toBe("It took what was displayed.");
  });

  it("stands without a reason, and with words that it does not know", () => {
    expect(reason({ type: "trade", liquidity: null, why: NONE } as Execution)).toBe("The venue told it.");
    expect(told(null, { cause_kind: "new_kind" })).toBe("Filled by new kind.");
    expect(told("taker", {}, "trade_cancel")).toContain("took the trade back");
  });
});
