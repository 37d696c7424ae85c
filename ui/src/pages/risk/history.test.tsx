import { cleanup, screen } from "@testing-library/react";
import { afterEach, beforeEach, describe, expect, it, test, vi } from "vitest";
import { dateTime } from "../../format/time";
import { asUser, gateway, ME, show } from "../testing";
import { changeText } from "./change";
import { RiskHistory } from "./history";
import type { About } from "./say";

const NAMES = new Map([["a1", "Paper (a1)"]]);
const OF_ACCOUNT: About = { kind: "account", account: "a1" };
const LIMITS =
  "limits of account:3: max_order_notional 100000.00, credit 0.00, max_order_lots 1000, max_position_lots 5000, " +
  "price_collar_bp 1000, max_open_orders 500, messages_per_sec 50, message_burst 100";

describe("changeText", () => {
  it.each([
    [
      LIMITS,
      "Open orders 500, Largest position 5,000 lots, Order quantity 1,000 lots, Order notional 100,000.00, Credit 0.00, Price collar 10 %, Messages 50 a second, 100 at once",
    ],
    [
      "day_loss of account:3 is 1000.00, then stop_opening",
      "Day loss of account Paper (a1) is 1,000.00, then stop opening",
    ],
    ["max_order_qty of account:3 is 1000 lots", "Max order qty of account Paper (a1) is 1,000 lots"],
    [
      "message_rate of account:3 is 50 a second, count 100",
      "Message rate of account Paper (a1) is 50 a second, count 100",
    ],
    [
      "volatility of account:3 is 500 bp, window 5m, the whole market, then cancel for 1500ms",
      "Volatility of account Paper (a1) is 500 bp, within 5 min, the whole market, then cancel for 1500 ms",
    ],
    [
      "price_collar of account:3 is 1000 bp, from previous_close",
      "Price collar of account Paper (a1) is 1,000 bp, from previous close",
    ],
    ["fat_finger of account:3 is 3.50 times the average", "Fat finger of account Paper (a1) is 3.50 ×"],
    ["stale_market of account:3 is 500ms", "Stale market of account Paper (a1) is 500 ms"],
    ["sides of account:3 is sell only", "Sides of account Paper (a1) is sell only"],
    [
      "expires_at of account:3 is 1793000000000000000 (UTC ns)",
      `Expires at of account Paper (a1) is ${dateTime(1_793_000_000_000)}`,
    ],
    ["restricted_list of account:3 is list 3", "Restricted list of account Paper (a1) is list 3"],
    ["restricted_list 3 of account:3 is taken away", "Restricted list 3 of account Paper (a1) is taken away"],
    ["day_loss of account:3 is taken away", "Day loss of account Paper (a1) is taken away"],
    [
      "day_loss stopped account:3 (stop_opening): 1001.00 met the limit 1000.00",
      "Day loss stopped account Paper (a1) (stop opening): 1,001.00 met the limit 1,000.00",
    ],
    ["account:3 goes on: day_loss no longer stops it", "Day loss no longer stops account Paper (a1)"],
    ["the kill switch of account:3 is engaged (block)", "Kill switch engaged for account Paper (a1), which is blocked"],
    ["the kill switch of account:3 is released", "Kill switch released for account Paper (a1)"],
  ])("says %j", (text, said) => {
    expect(changeText({ text, scope: OF_ACCOUNT }, NAMES)).toBe(said);
  });

  it("tells what it does not know as it is", () => {
    const told = (text: string) => changeText({ text, scope: null }, NAMES);
    expect(told("somebody did_something else")).toBe("somebody did_something else");
    expect(told(LIMITS.replace("credit 0.00", "loan 0.00"))).toBe(LIMITS.replace("credit 0.00", "loan 0.00"));
    expect(told(`${LIMITS}, new_limit 7`)).toMatch(/100 at once, new_limit 7$/);
    expect(told("new_control of firm is 7 parsecs, from new_word")).toBe(
      "New control of firm is 7 parsecs, from new word",
    );
    // More than a number holds is not rounded.
    expect(told(LIMITS.replace("lots 1000", "lots 9007199254740993"))).toContain("9007199254740993");
  });
});

beforeEach(() => {
  asUser();
  vi.stubGlobal("matchMedia", () => ({ matches: false }));
  // jsdom lays nothing out: without a height no row would be drawn.
  vi.spyOn(Element.prototype, "clientHeight", "get").mockReturnValue(400);
});
afterEach(() => {
  cleanup();
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

test("the history has the names and units of the panel of limits", async () => {
  gateway({
    "GET /users/me": ME,
    "GET /risk/history": [{ seq: "1:0", at: "2026-11-23T10:00:00Z", kind: "limits", scope: OF_ACCOUNT, text: LIMITS }],
  });
  show(<RiskHistory names={NAMES} />);
  expect(await screen.findByText(/^Open orders 500, Largest position 5,000 lots/)).toBeTruthy();
  expect(screen.queryByText(/max_open_orders/)).toBeNull();
});
