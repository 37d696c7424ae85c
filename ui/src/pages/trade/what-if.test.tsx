import { render, screen } from "@testing-library/react";
import { describe, expect, it } from "vitest";
import { joined } from "./tape";
import { buyingPower, share, WhatIf } from "./what-if";

const control = (reason: string, value: string, limit: string, passes = true) => ({
  reason,
  scope: "account",
  value,
  limit,
  passes,
  message: passes ? null : `${reason} is ${value}, at most ${limit}`,
});

describe("what an order would do", () => {
  it("shares of limits stay between nothing and all", () => {
    expect(share(control("a", "25", "100"))).toBe(0.25);
    expect(share(control("a", "-5", "100"))).toBe(0);
    expect(share(control("a", "5", "0"))).toBe(0);
    expect(share(control("a", "5", "many"))).toBe(0);
    expect(share(control("a", "5", "100", false))).toBe(1);
  });

  it("buying power: what is left, and what was before this order's cost", () => {
    const controls = [control("buying_power", "1500", "100000")];
    expect(buyingPower(controls, "1000")).toEqual({ before: "99500", after: "98500" });
    expect(buyingPower(controls, "-1000")).toEqual({ before: "98500", after: "98500" });
    expect(buyingPower([], "1000")).toBeNull();
  });

  it("names each control that refuses, first, and in which leg", () => {
    const leg = { summary: "s", notional: "1000", fee: "1", cost: "1001", currency: "USD" };
    const legs = [
      { ...leg, controls: [control("max_order_qty", "10", "100"), control("buying_power", "9", "5", false)] },
      { ...leg, controls: [], reject: { reason: "x", limit: "", value: "", message: "the market is closed" } },
    ];
    render(<WhatIf preview={{ hash: "h", needs_authorization: false, legs }} isOld={false} />);
    expect(screen.getByText(/Leg 1: buying_power is 9/)).toBeTruthy();
    expect(screen.getByText(/Leg 2: the market is closed/)).toBeTruthy();
    const meters = screen.getAllByRole("meter");
    expect(meters.map((meter) => meter.getAttribute("aria-valuenow"))).toEqual(["100", "10"]);
  });
});

describe("time and sales", () => {
  const trade = (number: number) => ({ number, price: "1", qty: "1", aggressor: "buy", time: "", seq: number });
  it("joins what came live to what was asked for, each once, newest first", () => {
    expect(joined([trade(7), trade(5)], [trade(4), trade(5)]).map((one) => one.number)).toEqual([7, 5, 4]);
  });
});
