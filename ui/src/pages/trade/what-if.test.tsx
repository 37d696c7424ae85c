import { cleanup, render, screen } from "@testing-library/react";
import { afterEach, describe, expect, it } from "vitest";
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

afterEach(cleanup);

describe("what an order would do", () => {
  it("shares of limits stay between nothing and all", () => {
    expect(share(control("a", "25", "100"))).toBe(0.25);
    expect(share(control("a", "-5", "100"))).toBe(0);
    expect(share(control("a", "5", "0"))).toBe(0);
    expect(share(control("a", "5", "many"))).toBe(0);
    expect(share(control("a", "5", "100", false))).toBe(1);
    expect(share(control("price_collar", "135", "148"))).toBeNull();
  });

  it("buying power: what is left, and what was before this order reserved its notional at the collar", () => {
    const controls = [control("buying_power", "1600", "100000"), control("max_order_notional", "1100", "50000")];
    expect(buyingPower(controls)).toEqual({ before: "99500", after: "98400", reserved: "1100" });
    expect(buyingPower(controls.slice(0, 1))).toEqual({ before: null, after: "98400", reserved: null });
    expect(buyingPower([])).toBeNull();
  });

  const market = {
    hash: "h",
    needs_authorization: false,
    legs: [
      {
        summary: "s",
        cost: "1001",
        currency: "USD",
        controls: [
          control("buying_power", "1600", "100000"),
          control("max_order_notional", "1100", "50000"),
          control("price_collar", "135", "148"),
          control("stale_market", "2000000", "500000000"),
        ],
      },
    ],
  };

  it("says what is reserved where it differs from the cost, and what was before only where that is known", () => {
    render(<WhatIf preview={market} at={Date.now()} isOfBefore={false} reservesAll />);
    expect(screen.getByText("1,100.00 USD")).toBeTruthy();
    expect(screen.getByText("Buying power", { selector: "dt" }).nextSibling?.textContent).toBe("99,500 → 98,400");
    cleanup();
    render(<WhatIf preview={market} at={Date.now()} isOfBefore={false} reservesAll={false} />);
    expect(screen.queryByText("Reserved")).toBeNull();
    expect(screen.getByText("Buying power after").nextSibling?.textContent).toBe("98,400");
  });

  it("draws no bar for a collar, and says times as times", () => {
    render(<WhatIf preview={market} at={Date.now()} isOfBefore={false} reservesAll />);
    expect(screen.getAllByRole("meter")).toHaveLength(3);
    expect(screen.getByText("135 / 148")).toBeTruthy();
    expect(screen.getByText("2.00 ms / 500 ms")).toBeTruthy();
  });

  it("does not pass off what is old, or of another order, as a verdict", () => {
    render(<WhatIf preview={market} at={Date.now() - 23_000} isOfBefore={false} reservesAll />);
    expect(screen.getByText(/^As of 23 s ago/)).toBeTruthy();
    cleanup();
    render(<WhatIf preview={market} at={0} isOfBefore reservesAll />);
    expect(screen.queryByText(/let it pass/)).toBeNull();
    expect(screen.getByText(/asking anew/)).toBeTruthy();
  });

  it("names each control that refuses, first, and in which leg", () => {
    const leg = { summary: "s", notional: "1000", fee: "1", cost: "1001", currency: "USD" };
    const legs = [
      { ...leg, controls: [control("max_order_qty", "10", "100"), control("buying_power", "9", "5", false)] },
      { ...leg, controls: [], reject: { reason: "x", limit: "", value: "", message: "the market is closed" } },
    ];
    const preview = { hash: "h", needs_authorization: false, legs };
    render(<WhatIf preview={preview} at={Date.now()} isOfBefore={false} reservesAll />);
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
