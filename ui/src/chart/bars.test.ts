import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { gateway } from "../pages/testing";
import { askBars, Bars, candle } from "./bars";
import { PriceChart } from "./price-chart";
import { bar, given, PastMinutes } from "./testing";

vi.mock("./colours", async (original) => ({
  ...(await original<object>()),
  colours: () => new Proxy({}, { get: () => "grey" }),
}));
vi.mock("lightweight-charts", async (original) => (await import("./testing")).library(await original<object>()));

const minutes = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => bar(from + index));
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => from + index);
const drawn = () => given.series[0]?.points.map((one) => one.time / 60) ?? [];

let past: PastMinutes;
let bars: Bars;

/** Bars of these minutes are known to the gateway. */
function made(from: number, to: number): Bars {
  past = new PastMinutes(minutes(from, to));
  gateway({ "GET /history/TIDE": past.answer });
  const chart = new PriceChart(document.body, {
    text: String,
    minMove: 0.01,
    isDays: false,
    dayOf: () => "",
    snap: String,
    step: (price) => price,
    onDrop: () => undefined,
    onSay: () => undefined,
    onNearFirst: () => undefined,
    onLegend: () => undefined,
  });
  bars = new Bars(chart, "TIDE", "1m");
  return bars;
}

/** As the page asks for them at first, and after a lost link. */
async function askNewest() {
  bars.setNewest(await askBars("TIDE", "1m", {}, new AbortController().signal));
}

/** The next minutes are known, and the last of them is told live. */
function goOn(from: number, to: number) {
  past.bars = [...past.bars, ...minutes(from, to)];
  bars.update(candle(bar(to - 1)));
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("matchMedia", () => ({ addEventListener: () => undefined, removeEventListener: () => undefined }));
});
afterEach(() => {
  bars.stop();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test("older bars are put in front a page at a time, until there are none", async () => {
  made(0, 2_880);
  await bars.askOlder();
  expect(past.asked).toEqual([]);
  await askNewest();
  expect(drawn()).toEqual(range(1_880, 2_880));
  // Who moves on meanwhile asks no second time.
  await Promise.all([bars.askOlder(), bars.askOlder()]);
  expect(drawn()).toEqual(range(880, 2_880));
  await bars.askOlder();
  expect(drawn()).toEqual(range(0, 2_880));
  for (let times = 0; times < 5; times += 1) await bars.askOlder();
  expect(drawn()).toEqual(range(0, 2_880));
  expect(past.asked).toEqual([{}, { to: 1_880 }, { to: 880 }, { to: 0 }]);
});

test("a gateway that heeds no end of a page is asked once", async () => {
  made(0, 500);
  await askNewest();
  gateway({ "GET /history/TIDE": past.bars });
  await bars.askOlder();
  expect(drawn()).toEqual(range(0, 500));
  const asked = gateway({ "GET /history/TIDE": past.bars });
  await bars.askOlder();
  expect(asked).toEqual([]);
});

test("so many bars are kept, and no more are asked for", async () => {
  made(0, 12_000);
  await askNewest();
  for (let times = 0; times < 20; times += 1) await bars.askOlder();
  expect(drawn()).toEqual(range(2_000, 12_000));
  expect(past.asked).toHaveLength(10);
});

test("after an error they are asked for when one moves again, and not at once", async () => {
  made(0, 2_000);
  await askNewest();
  past.isBroken = true;
  await bars.askOlder();
  past.isBroken = false;
  await vi.advanceTimersByTimeAsync(9_000);
  await bars.askOlder();
  expect(past.asked).toHaveLength(2);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(past.asked).toHaveLength(2);
  await bars.askOlder();
  expect(drawn()).toEqual(range(0, 2_000));
});

test("what comes after somebody left is not drawn", async () => {
  made(0, 2_000);
  await askNewest();
  goOn(2_000, 2_002);
  let answer = () => {};
  past.wait = new Promise((resolve) => {
    answer = resolve;
  });
  const older = bars.askOlder();
  await vi.advanceTimersByTimeAsync(600);
  expect(past.asked.slice(1)).toEqual([{ to: 1_000 }, { from: 1_999 }]);
  const before = drawn();
  bars.stop();
  answer();
  await older;
  await vi.advanceTimersByTimeAsync(60_000);
  bars.setNewest([bar(1_999), bar(2_002)].map(candle));
  expect(drawn()).toEqual(before);
  expect(past.asked).toHaveLength(3);
});

test("nothing is asked for after somebody left", async () => {
  made(0, 100);
  await askNewest();
  goOn(100, 102);
  bars.stop();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(past.asked).toHaveLength(1);
});

test("a page after a lost link leaves the older bars, and has what came meanwhile", async () => {
  made(0, 2_000);
  await askNewest();
  await bars.askOlder();
  past.bars = minutes(0, 2_500);
  await askNewest();
  expect(drawn()).toEqual(range(0, 2_500));
  await vi.advanceTimersByTimeAsync(60_000);
  expect(past.asked).toHaveLength(3);
});

test("where the page does not reach them, all that came between is asked for", async () => {
  made(0, 2_000);
  await askNewest();
  await bars.askOlder();
  // The link comes back, and tells the newest bar before the page is there.
  past.bars = minutes(0, 4_499);
  goOn(4_499, 4_500);
  await askNewest();
  await vi.advanceTimersByTimeAsync(600);
  expect(past.asked.slice(2)).toEqual([{}, { from: 1_999 }, { from: 2_998 }, { from: 3_997 }]);
  expect(drawn()).toEqual(range(0, 4_500));
});

test("where the gateway no longer has what came between, bars before it are left out, and asked for again", async () => {
  made(0, 900);
  await askNewest();
  await bars.askOlder();
  past.bars = minutes(1_000, 3_500);
  await askNewest();
  await vi.advanceTimersByTimeAsync(600);
  expect(drawn()).toEqual(range(1_000, 3_500));
  past.bars = minutes(800, 3_500);
  await bars.askOlder();
  expect(drawn()).toEqual(range(800, 3_500));
});

test("a page before bars that were left out meanwhile is not put in front of others", async () => {
  made(0, 1_500);
  await askNewest();
  let answer = () => {};
  past.wait = new Promise((resolve) => {
    answer = resolve;
  });
  const older = bars.askOlder();
  await vi.advanceTimersByTimeAsync(0);
  expect(past.asked).toHaveLength(2);
  past.wait = Promise.resolve();
  past.bars = minutes(2_000, 3_500);
  await askNewest();
  await vi.advanceTimersByTimeAsync(600);
  expect(drawn()).toEqual(range(2_000, 3_500));
  answer();
  await older;
  expect(drawn()).toEqual(range(2_000, 3_500));
});

test("bars between two that were told live are asked for, as often as it takes", async () => {
  made(0, 100);
  await askNewest();
  past.isBroken = true;
  goOn(100, 105);
  await vi.advanceTimersByTimeAsync(600);
  expect(drawn()).toEqual([...range(0, 100), 104]);
  past.isBroken = false;
  goOn(105, 106);
  await vi.advanceTimersByTimeAsync(600);
  expect(past.asked.slice(1)).toEqual([{ from: 99 }, { from: 99 }]);
  expect(drawn()).toEqual(range(0, 106));
  await vi.advanceTimersByTimeAsync(60_000);
  expect(past.asked).toHaveLength(3);
});

test("a bar told live while the page was on its way may have followed others", async () => {
  made(0, 100);
  const page = past.bars.map(candle);
  goOn(100, 104);
  bars.setNewest(page);
  expect(drawn()).toEqual([...range(0, 100), 103]);
  await vi.advanceTimersByTimeAsync(600);
  expect(drawn()).toEqual(range(0, 104));
});

test("bars that were told live while others were asked for may have followed some, too", async () => {
  made(0, 100);
  await askNewest();
  let answer = () => {};
  past.wait = new Promise((resolve) => {
    answer = resolve;
  });
  goOn(100, 101);
  await vi.advanceTimersByTimeAsync(600);
  goOn(101, 104);
  answer();
  await vi.advanceTimersByTimeAsync(600);
  expect(past.asked.slice(1)).toEqual([{ from: 99 }, { from: 100 }]);
  expect(drawn()).toEqual(range(0, 104));
});

test.each([
  ["no newer bars than those before", (first: number) => minutes(0, first)],
  ["the same full page whatever it is asked for", () => minutes(0, 1_000)],
  ["bars of long ago", () => minutes(0, 10)],
])("a gateway that tells %s is not asked over and over", async (_, told) => {
  made(0, 100);
  await askNewest();
  const asked = gateway({ "GET /history/TIDE": told(100) });
  bars.update(candle(bar(103)));
  await vi.advanceTimersByTimeAsync(60_000);
  expect(asked.length).toBeLessThanOrEqual(2);
  expect(drawn()).toEqual(drawn().toSorted((a, b) => a - b));
  expect(drawn()).toContain(99);
});
