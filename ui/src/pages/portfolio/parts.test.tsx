import { describe, expect, it } from "vitest";
import { setZone } from "../../format/time";
import type { Execution, Position } from "../../live/account";
import { exposures } from "./allocation";
import { isOutrun, withNewer } from "./executions";
import { isWanted } from "./trades";

const position = (symbol: string, value: string | null, cost = "0") => ({ symbol, value, cost }) as Position;

describe("exposures", () => {
  it("adds long and short up apart, and takes the cost where there is no mark", () => {
    const positions = [position("A", "100.10"), position("B", "-40.05"), position("C", null, "5"), position("D", "7")];
    const groups = exposures(positions, (symbol) => (symbol === "D" ? "Future" : "Equity"));
    expect(groups).toEqual([
      { name: "Equity", long: "105.10", short: "-40.05", net: "65.05", gross: "145.15" },
      { name: "Future", long: "7", short: "0", net: "7", gross: "7" },
    ]);
  });
});

const row = (seq: string, symbol = "TIDE", side: "buy" | "sell" = "buy", at = "2026-11-23T12:00:00Z") =>
  ({ id: seq, seq, type: "trade", symbol, side, at }) as Execution;

describe("withNewer", () => {
  it("puts what came since before the list, each once", () => {
    const rows = [row("10:1"), row("9:0")];
    const live = [row("12:0"), row("11:0", "REEF"), row("10:1"), row("9:0")];
    expect(withNewer(rows, live, "").map((one) => one.seq)).toEqual(["12:0", "11:0", "10:1", "9:0"]);
    expect(withNewer(rows, live, "TIDE").map((one) => one.seq)).toEqual(["12:0", "10:1", "9:0"]);
    expect(withNewer([], live, "REEF").map((one) => one.seq)).toEqual(["11:0"]);
  });
});

describe("isOutrun", () => {
  const many = (from: number) => Array.from({ length: 200 }, (_, at) => row(`${from + 200 - at}:0`));

  it("sees that between what was loaded and what came since there may be more", () => {
    expect(isOutrun("10:0", many(9))).toBe(false);
    expect(isOutrun("10:0", many(10))).toBe(true);
    // Fewer are all that there are.
    expect(isOutrun("10:0", many(10).slice(1))).toBe(false);
  });

  it("sees that one that came since changes an older one", () => {
    const cancel = { ...row("12:0"), type: "trade_cancel" };
    const trade = row("11:0");
    expect(isOutrun("10:0", [trade])).toBe(false);
    expect(isOutrun("10:0", [cancel, trade])).toBe(true);
    expect(isOutrun("12:0", [cancel, trade])).toBe(false);
  });
});

describe("isWanted", () => {
  it("keeps to side and to days, both ends among them", () => {
    const one = row("1:0", "TIDE", "sell", "2026-11-23T12:00:00.123456789Z");
    const any = { side: "", from: "", to: "" } as const;
    expect(isWanted(one, any)).toBe(true);
    expect(isWanted(one, { ...any, side: "buy" })).toBe(false);
    expect(isWanted(one, { ...any, from: "2026-11-23", to: "2026-11-23" })).toBe(true);
    expect(isWanted(one, { ...any, from: "2026-11-24" })).toBe(false);
    expect(isWanted(one, { ...any, to: "2026-11-22" })).toBe(false);
  });

  it("means days of the user's zone", () => {
    const evening = row("1:0", "TIDE", "buy", "2026-11-23T23:30:00Z");
    const wanted = { side: "", from: "2026-11-24", to: "" } as const;
    setZone("Asia/Tokyo");
    expect(isWanted(evening, wanted)).toBe(true);
    setZone("America/New_York");
    expect(isWanted(evening, wanted)).toBe(false);
    setZone(undefined);
  });
});
