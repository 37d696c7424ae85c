import { describe, expect, it } from "vitest";
import { markOf, nearest, priceText, stepOf, stepped, steppedQty, unrealised } from "./price";

const plain = { tick_size: "0.0001", order_tick: "0.01", order_tick_from: "1", tick_table: null };
const banded = { ...plain, tick_table: "0:0.001 10:0.002 20:0.05" };

describe("steps of order prices", () => {
  it.each([
    [plain, "0.5", "0.0001"],
    [plain, "1", "0.01"],
    [banded, "9.999", "0.001"],
    [banded, "10", "0.002"],
    [banded, "300", "0.05"],
  ])("%o at %s", (terms, price, step) => {
    expect(stepOf(terms, price)).toBe(step);
  });

  it("writes a price with the digits of its step", () => {
    expect(priceText(plain, "136.2900")).toBe("136.29");
    expect(priceText(plain, "136")).toBe("136.00");
    expect(priceText(plain, "136.2905")).toBe("136.2905");
    expect(priceText(plain, "0.5000")).toBe("0.5000");
  });

  it("drops a line at a price that an order may have", () => {
    expect(nearest(plain, "100.056000000")).toBe("100.06");
    expect(nearest(banded, "300.030000000")).toBe("300.05");
    expect(nearest(banded, "9.9993")).toBe("9.999");
  });

  it("goes by steps, onto the grid first, and never to nothing", () => {
    expect(stepped(plain, "100.05", 1)).toBe("100.06");
    expect(stepped(plain, "100.05", -10)).toBe("99.95");
    expect(stepped(banded, "10.001", 1)).toBe("10.004");
    expect(stepped(plain, "0.0002", -5)).toBe("0.0001");
    expect(steppedQty("10", "25", 1)).toBe("40");
    expect(steppedQty("10", "10", -1)).toBe("10");
    expect(steppedQty("0.1", "", 1)).toBe("0.1");
  });

  it("values a position at the middle, long and short, by its multiplier", () => {
    expect(markOf({ bid_price: "10.00", ask_price: "10.01", last_price: "9" })).toBe("10.005");
    expect(markOf({ bid_price: "10.00", ask_price: null, last_price: "9" })).toBe("9");
    expect(markOf({})).toBeNull();
    expect(unrealised({ qty: "10", cost: "1000" }, "101.5", "1")).toBe("15.0");
    expect(unrealised({ qty: "-2", cost: "-2000" }, "90", "10")).toBe("200");
  });
});
