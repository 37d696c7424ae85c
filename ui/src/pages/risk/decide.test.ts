import { describe, expect, it } from "vitest";
import { engineName, left, mayDecide } from "./decide";
import { announce, countedText, effect, limitText, type Proposal, scopeOf, whom } from "./say";

const NOW = Date.UTC(2026, 10, 23, 12);
const PROPOSAL: Proposal = {
  number: 7,
  hash: "ab12",
  status: "pending",
  command: "release",
  summary: "release the firm",
  reason: "all is well",
  proposer: 1002,
  proposer_name: "rita@example.org",
  lapses_at: "2026-11-24T11:00:00.123456789Z",
};
const OFFICER = ["risk:read", "risk:write"];

describe("mayDecide", () => {
  it("lets whoever asked only take it back, and another decide", () => {
    expect(mayDecide(PROPOSAL, { email: "rita@example.org", permissions: OFFICER }, NOW)).toBe("take_back");
    expect(mayDecide(PROPOSAL, { email: "ron@example.org", permissions: OFFICER }, NOW)).toBe("decide");
  });

  it("knows long addresses by what the engine keeps of them", () => {
    const email = "rita.of.the.risk.department@example.org";
    expect(engineName(email)).toBe("rita.of.the.risk.departm");
    expect(engineName("zoë@example.org")).toBe("zo@example.org");
    const proposal = { ...PROPOSAL, proposer_name: engineName(email) };
    expect(mayDecide(proposal, { email, permissions: OFFICER }, NOW)).toBe("take_back");
  });

  it("offers nothing to who may not, about what is decided, or what has lapsed", () => {
    expect(mayDecide(PROPOSAL, { email: "ann@example.org", permissions: ["risk:read"] }, NOW)).toBe("nothing");
    expect(mayDecide(PROPOSAL, undefined, NOW)).toBe("nothing");
    const ron = { email: "ron@example.org", permissions: OFFICER };
    for (const status of ["approved", "refused", "lapsed", "withdrawn"] as const) {
      expect(mayDecide({ ...PROPOSAL, status }, ron, NOW)).toBe("nothing");
    }
    expect(mayDecide(PROPOSAL, ron, Date.UTC(2026, 10, 24, 11, 0, 1))).toBe("nothing");
  });
});

describe("left", () => {
  it("counts down to the second in the last hour", () => {
    expect(left("2026-11-24T11:30:00Z", NOW)).toBe("23 h 30 min");
    expect(left("2026-11-23T12:04:05Z", NOW)).toBe("4 min 05 s");
    expect(left("2026-11-23T12:00:00Z", NOW)).toBe("lapsed");
  });
});

const NAMES = new Map([["0c5b0d9c-0000-4000-8000-000000000001", "Paper"]]);
const ACCOUNT = { kind: "account", account: "0c5b0d9c-0000-4000-8000-000000000001" };

describe("sentences", () => {
  it("name whom something is about", () => {
    expect(whom({ kind: "firm" }, NAMES)).toBe("the firm");
    expect(whom(ACCOUNT, NAMES)).toBe("account Paper");
    expect(whom({ kind: "account", account: "ffffffff-0000-4000-8000-000000000001" }, NAMES)).toBe("account ffffffff");
    expect(whom({ kind: "strategy", number: 12 }, NAMES)).toBe("strategy 12");
    expect(whom({ kind: "instrument", symbol: "TIDE" }, NAMES)).toBe("instrument TIDE");
  });

  it("say what a kill switch does in each mode", () => {
    expect(effect("the firm", "block")).toContain("Every open order of the firm is canceled now");
    expect(effect("the firm", "block")).toContain("without exception");
    expect(effect("the firm", "reduce_only")).toContain("except orders that only reduce a position");
  });

  it("give limits their unit", () => {
    expect(limitText({ control: "price_collar", limit: "500" })).toBe("500 bp");
    expect(limitText({ control: "stale_market", limit: "2000000000" })).toBe("2.00 s");
    expect(limitText({ control: "sides", limit: "2" })).toBe("sell only");
    expect(limitText({ control: "reduce_only", limit: "0" })).toBe("on");
    expect(limitText({ control: "gross_exposure", limit: "1000000.50" })).toBe("1,000,000.50");
  });

  it("announce what the channels tell", () => {
    expect(announce({ ...PROPOSAL }, NAMES)).toBe("Proposal 7 waits for a second person: release the firm");
    expect(announce({ engaged: true, scope: ACCOUNT, reason: "a test" }, NAMES)).toBe(
      "Kill switch engaged for account Paper: a test",
    );
    const tripped = { control: "day_loss", scope: ACCOUNT, limit: "1000", value: "1001.5", stopped: true };
    expect(announce(tripped, NAMES)).toBe("Day loss of account Paper stopped it: 1,001.5 of 1,000");
    const stale = { control: "stale_market", scope: { kind: "firm" }, limit: "2000000000", value: "2500000000" };
    expect(announce({ ...stale, stopped: true }, NAMES)).toBe("Stale market of the firm stopped it: 2.50 s of 2.00 s");
    expect(countedText({ control: "price_collar", value: "620", limit: "500" })).toBe("620 bp of 500 bp");
    expect(announce({ max_order_lots: 5 }, NAMES)).toBe("Limits were set");
  });
});

describe("scopeOf", () => {
  it("takes kinds that the gateway takes, and no others", () => {
    expect(scopeOf({ kind: "strategy", number: 3 })).toEqual({ kind: "strategy", strategy: 3 });
    expect(scopeOf({ kind: "group", number: 3 })).toBeNull();
    expect(scopeOf({ kind: "account", number: 3 })).toBeNull();
  });
});
