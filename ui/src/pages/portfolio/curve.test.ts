import { afterEach, describe, expect, it, vi } from "vitest";
import { add, subtract } from "../../format/number";
import { dayOf } from "../../format/time";
import { gateway } from "../testing";
import { byPeriod, curve, fromStart, joined, monthOf, performance, rangeHistory, span, weeks } from "./curve";

const DAY = 86_400_000;
/** A sample of an account into which so much was paid until then; all the rest of its equity is profit. */
const at = (minute: number, equity: string, paid = "0") => ({
  at: new Date(Date.UTC(2026, 10, 23, 10, minute)).toISOString(),
  equity,
  realised: subtract(equity, paid),
  unrealised: "1",
  fees: "1",
});

describe("performance", () => {
  it("is nothing without samples, and none without change", () => {
    expect(performance([])).toBeNull();
    expect(performance([at(0, "100000")])).toEqual({ change: "0", returned: "0.00", drawdown: null });
  });

  it("is exact where floating point is not", () => {
    const found = performance([at(0, "0.3"), at(1, "0.1")]);
    expect(found?.change).toBe("-0.2");
    expect(found?.returned).toBe("-66.67");
    expect(found?.drawdown?.amount).toBe("0.2");
  });

  it("takes the fall that is deepest by its part of the peak, not by money", () => {
    // 100 to 80 is 20 %; 1000 to 850 is more money, but 15 %.
    const samples = ["100", "80", "1000", "850", "900"].map((equity, minute) => at(minute, equity));
    const { drawdown } = performance(samples) ?? {};
    expect(drawdown).toMatchObject({ amount: "20", percent: "20.00" });
    expect(drawdown?.peak).toEqual(samples[0]);
    expect(drawdown?.trough).toEqual(samples[1]);
  });

  it("measures from the highest before the fall", () => {
    const samples = ["100", "110", "105", "99", "120"].map((equity, minute) => at(minute, equity));
    expect(performance(samples)?.drawdown).toMatchObject({ amount: "11", percent: "10.00" });
    expect(performance(samples)?.returned).toBe("20.00");
  });

  it("counts what was paid in or out as neither profit nor loss, wherever it was", () => {
    const worths = ["100", "110", "99", "121", "120"];
    const samples = worths.map((equity, minute) => at(minute, equity));
    const expected = performance(samples);
    expect(expected).toMatchObject({ change: "20", returned: "20.00", drawdown: { amount: "11", percent: "10.00" } });
    for (const paid of ["1000", "-90.5"]) {
      for (let from = 1; from < worths.length; from += 1) {
        const moved = worths.map((equity, minute) =>
          minute < from ? at(minute, equity) : at(minute, add(equity, paid), paid),
        );
        const found = performance(moved);
        expect([Number(found?.change), found?.returned]).toEqual([20, "20.00"]);
        expect([Number(found?.drawdown?.amount), found?.drawdown?.percent]).toEqual([11, "10.00"]);
        const below = (of: typeof samples) => curve(of, 60_000).map((pixel) => pixel.drawdown.toFixed(6));
        expect(below(moved)).toEqual(below(samples));
      }
    }
  });

  it("takes unrealised profit for profit, and fees for loss", () => {
    const [first, last] = [at(0, "100"), at(1, "107")];
    const moved = { ...last, realised: first.realised, unrealised: "10", fees: "3" };
    expect(performance([first, moved])).toMatchObject({ change: "7", returned: "7.00" });
  });

  it("names no part of an equity that is none", () => {
    expect(performance([at(0, "0"), at(1, "-5")])).toMatchObject({ change: "-5", returned: null, drawdown: null });
  });
});

describe("fromStart", () => {
  const minute = (number: number) => Date.UTC(2026, 10, 23, 10, number);

  it("begins with the last that was before", () => {
    const samples = [at(0, "100"), at(1, "101"), at(5, "110")];
    const found = fromStart(samples, minute(3));
    expect(found).toEqual([{ ...at(1, "101"), at: new Date(minute(3)).toISOString() }, samples[2]]);
    expect(performance(found)?.change).toBe("9");
    // A sample of the very start is how it began.
    expect(fromStart(samples, minute(1))[0]?.equity).toBe("101");
  });

  it("begins with nothing gained where none was before", () => {
    const found = fromStart([at(5, "100105", "100000"), at(6, "100110", "100000")], minute(0));
    expect(found[0]).toMatchObject({ equity: "100000", realised: "0", fees: "0" });
    expect(performance(found)).toMatchObject({ change: "110", returned: "0.11" });
  });

  it("is nothing where nothing is known of the range", () => {
    expect(fromStart([at(0, "100")], minute(3))).toEqual([]);
  });
});

describe("rangeHistory", () => {
  const now = Date.UTC(2026, 10, 23, 12);
  const point = (time: number, equity: string) => ({
    ...at(0, equity),
    at: new Date(time).toISOString(),
    currency: "USD",
  });
  afterEach(() => vi.unstubAllGlobals());

  it("asks for as long before, and for days where nothing changed in that", async () => {
    const old = point(now - 9 * DAY, "90");
    const answers = (url: URL) => (url.searchParams.get("resolution") === "1d" ? [old] : [point(now - 5_000, "100")]);
    const asked: string[] = [];
    gateway({
      "GET /portfolio/history": (_: unknown, url: URL) => {
        asked.push(`${url.searchParams.get("resolution")} ${url.searchParams.get("from")}`);
        return answers(url);
      },
    });
    const { points, from } = await rangeHistory("a", now - 30 * DAY, "1D", now);
    expect(from).toBe(now - DAY);
    expect(points.map((one) => one.equity)).toEqual(["90", "100"]);
    expect(asked).toEqual(["1m 2026-11-21T12:00:00.000Z", "1d null"]);
    // An account that opened within the range began with nothing: there is no more to ask for.
    asked.length = 0;
    await rangeHistory("a", now - 3_600_000, "1D", now);
    expect(asked).toEqual(["1m 2026-11-23T11:00:00.000Z"]);
  });
});

describe("curve", () => {
  it("goes on level where nothing changed, and ends with the last sample", () => {
    const pixels = curve([at(0, "100"), at(4, "90")], 60_000);
    expect(pixels.map((pixel) => pixel.equity)).toEqual([100, 100, 100, 90]);
    expect(pixels.at(-1)).toMatchObject({ equity: 90, at: Date.UTC(2026, 10, 23, 10, 4) });
    expect(pixels.at(-1)?.drawdown).toBeCloseTo(-10);
    const times = pixels.map((pixel) => pixel.at);
    expect(times).toEqual([...new Set(times)].sort((a, b) => a - b));
  });
});

describe("span", () => {
  it("takes the finest steps that reach back so far", () => {
    const now = Date.UTC(2026, 10, 23);
    const old = now - 400 * DAY;
    expect(span("1D", old, now)).toEqual({ from: now - DAY, resolution: "1m" });
    expect(span("1W", old, now).resolution).toBe("1h");
    expect(span("1M", old, now).resolution).toBe("1h");
    expect(span("all", old, now)).toEqual({ from: old, resolution: "1d" });
    // An account of an hour is not one point.
    expect(span("all", now - 3_600_000, now)).toEqual({ from: now - 3_600_000, resolution: "1m" });
  });
});

const booked = (time: string, realised: string, fees: string) => ({ at: time, realised, fees });

describe("byPeriod", () => {
  it("gives a day what the sums grew by between its borders, in the user's zone", () => {
    const samples = [
      booked("2026-11-20T15:00:00Z", "10", "1"),
      // The evening of the 20th in New York, the 21st in London.
      booked("2026-11-21T02:00:00Z", "7.5", "1.5"),
      booked("2026-11-23T15:00:00Z", "20", "3"),
    ];
    expect(byPeriod(samples, (time) => dayOf(time, "America/New_York"))).toEqual([
      { key: "2026-11-20", realised: "7.5", fees: "1.5", net: "6.0" },
      { key: "2026-11-23", realised: "12.5", fees: "1.5", net: "11.0" },
    ]);
    expect(byPeriod(samples, (time) => dayOf(time, "Europe/London")).map((one) => [one.key, one.realised])).toEqual([
      ["2026-11-20", "10"],
      ["2026-11-21", "-2.5"],
      ["2026-11-23", "12.5"],
    ]);
  });

  it("adds up to the last sum, by day and by month", () => {
    const samples = [
      booked("2026-09-30T23:59:59Z", "5", "0"),
      booked("2026-10-01T00:00:01Z", "-3", "1"),
      booked("2026-11-01T00:00:00Z", "4.25", "2"),
    ];
    const months = byPeriod(samples, (time) => monthOf(time, "UTC"));
    expect(months.map((one) => [one.key, one.realised, one.net])).toEqual([
      ["2026-09", "5", "5"],
      ["2026-10", "-8", "-9"],
      ["2026-11", "7.25", "6.25"],
    ]);
  });
});

describe("joined", () => {
  it("takes days only from before the hours", () => {
    const days = [{ at: "2026-11-01T23:00:00Z" }, { at: "2026-11-23T23:00:00Z" }];
    const hours = [{ at: "2026-11-20T10:00:00Z" }, { at: "2026-11-23T23:00:00Z" }];
    expect(joined(days, hours)).toEqual([days[0], ...hours]);
    expect(joined(days, [])).toEqual(days);
  });
});

describe("weeks", () => {
  it("begins with Monday and has every day once", () => {
    const rows = weeks("2026-02");
    expect(rows[0]).toEqual([null, null, null, null, null, null, "2026-02-01"]);
    expect(rows.flat().filter(Boolean)).toHaveLength(28);
    expect(weeks("2024-02").flat().filter(Boolean).at(-1)).toBe("2024-02-29");
    expect(weeks("2026-06")[0]?.[0]).toBe("2026-06-01");
  });
});
