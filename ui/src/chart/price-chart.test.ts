import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { setZone } from "../format/time";
import { bollinger, type Candle, macd, rsi, sma } from "./indicators";
import { PriceChart } from "./price-chart";
import { NORMAL } from "./settings";
import type { Reading } from "./studies";
import { given } from "./testing";

vi.mock("./colours", async (original) => ({
  ...(await original<object>()),
  colours: () => new Proxy({ buy: "green", sell: "red" }, { get: (some, name) => Reflect.get(some, name) ?? "grey" }),
}));
vi.mock("lightweight-charts", async (original) => (await import("./testing")).library(await original<object>()));

let readings: Reading[] = [];
const onNearFirst = vi.fn();
function made(isDays = false): PriceChart {
  return new PriceChart(document.body, {
    text: String,
    minMove: 0.01,
    isDays,
    dayOf: () => "",
    snap: String,
    step: (price) => price,
    onDrop: () => undefined,
    onSay: () => undefined,
    onNearFirst,
    onLegend: (_bar, _before, told) => {
      readings = told;
    },
  });
}
const candle = (time: number): Candle => {
  const price = 100 + Math.sin(time);
  return { time, open: price, high: price, low: price, close: price, volume: 1, vwap: price };
};

beforeEach(() => {
  vi.stubGlobal("matchMedia", () => ({ addEventListener: () => undefined, removeEventListener: () => undefined }));
});
afterEach(() => {
  setZone(undefined);
  onNearFirst.mockReset();
  vi.unstubAllGlobals();
});

const candles = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => candle(from + index));
const times = () => given.series[0]?.points.map((one) => one.time) ?? [];

test("a chart that is looked at for long keeps the newest bars only", () => {
  const chart = made();
  chart.merge(candles(0, 9_990));
  for (let time = 9_990; time <= 10_600; time += 1) chart.update(candle(time));
  expect(given.series[0]?.set.map((drawn) => drawn.length)).toEqual([9_990, 10_000]);
  expect(times()).toHaveLength(10_100);
  expect(times().at(-1)).toBe(10_600);
  expect(chart.hasRoom(1)).toBe(false);
});

test("bars are put in their place by when they begin, and what is told live stays", () => {
  const chart = made();
  chart.update({ ...candle(40), close: 77 });
  chart.merge(candles(10, 41));
  expect(given.series[0]?.points.at(-1)).toMatchObject({ time: 40, close: 77 });
  chart.merge(candles(0, 10));
  expect(times()).toEqual(Array.from({ length: 41 }, (_, time) => time));
  // From the first to the last there are no others; what is beyond them is left.
  chart.merge([candle(20), candle(25), candle(30)]);
  expect(times()).toEqual([
    ...Array.from({ length: 21 }, (_, time) => time),
    25,
    ...candles(30, 41).map((one) => one.time),
  ]);
  chart.merge(candles(50, 52), 0);
  expect(times()).toEqual([50, 51]);
});

test("bars that ended are corrected without drawing the others anew", () => {
  const chart = made();
  chart.setIndicators(["sma", "ema", "bollinger", "vwap", "rsi", "macd"]);
  chart.merge(candles(0, 60));
  const drawn = given.series.map((one) => one.set.length);
  const other = (time: number) => ({ ...candle(time), close: 150, volume: 7 });
  chart.merge([other(57), other(58), other(59), other(60), candle(61)]);
  expect(given.series.map((one) => one.set.length)).toEqual(drawn);
  const corrected = given.series.map((one) => one.points);
  const anew = made();
  anew.setIndicators(["sma", "ema", "bollinger", "vwap", "rsi", "macd"]);
  anew.merge([...candles(0, 57), other(57), other(58), other(59), other(60), candle(61)]);
  for (const [index, { points }] of given.series.entries()) {
    expect(corrected[index]).toHaveLength(62);
    for (const [at, point] of points.entries()) {
      expect(corrected[index]?.[at]?.value ?? null).toEqual(
        point.value === undefined ? null : expect.closeTo(point.value, 9),
      );
    }
  }
});

test("who comes near the first bar is told of, by whatever way", () => {
  const chart = made();
  chart.merge(candles(0, 1_000));
  expect(given.seen).toEqual({ from: 860, to: 1_005 });
  given.move({ from: 200, to: 345 });
  expect(onNearFirst).not.toHaveBeenCalled();
  given.move({ from: 140, to: 285 });
  expect(onNearFirst).toHaveBeenCalledTimes(1);
  chart.showOldest();
  expect(onNearFirst.mock.calls.length).toBeGreaterThan(1);
  // At the edge nothing moves, but one would go on.
  onNearFirst.mockReset();
  chart.showOldest();
  chart.pan(-1);
  expect(onNearFirst).toHaveBeenCalledTimes(2);
});

test("the newest value of an indicator is that of all bars", () => {
  const chart = made();
  chart.setIndicators(["sma", "bollinger"]);
  chart.merge(candles(0, 49));
  chart.update(candle(49));
  const closes = candles(0, 50).map((one) => one.close);
  const bands = bollinger(closes);
  const expected = [sma(closes, 20), bands.upper, bands.middle, bands.lower];
  const lines = given.series.slice(2);
  expect(lines).toHaveLength(4);
  for (const [index, line] of expected.entries()) {
    expect(lines[index]?.updated.at(-1)?.value).toBeCloseTo(line.at(-1) as number, 9);
  }
});

test("the axis is in the user's zone, and a bar of a day keeps its day", () => {
  setZone("America/New_York");
  const midnight = Date.UTC(2026, 10, 23) / 1_000;
  const mark = (type: number) => given.options.timeScale?.tickMarkFormatter(midnight, type);
  made();
  expect(mark(3)).toBe("19:00");
  made(true);
  expect(mark(2)).toMatch(/23/);
});

test("a short position has the colour of a sell", () => {
  made().lines.setMarks([
    { id: "a", price: "1", title: "Long 1", kind: "long", moves: false },
    { id: "b", price: "1", title: "Short 1", kind: "short", moves: false },
  ]);
  expect(given.priceLines.map((line) => line.color)).toEqual(["green", "red"]);
});

const said = () => readings.map(({ title, parts }) => [title, ...parts.map((part) => part.text)].join(" "));

test("the legend has each indicator, at the newest bar or under the pointer", () => {
  const chart = made();
  chart.setIndicators(["sma", "bollinger", "macd"]);
  const flat = (time: number, close: number) => ({ ...candle(time), close });
  chart.merge(Array.from({ length: 40 }, (_, time) => flat(time, 5)));
  expect(said()).toEqual(["SMA 20 5", "Bollinger 20, 2 5 5 5", "MACD 12, 26, 9 0 0 0"]);
  chart.update(flat(40, 25));
  expect(said()[0]).toBe("SMA 20 6");
  given.hover({ time: 30 });
  expect(said()[0]).toBe("SMA 20 5");
  // What comes meanwhile does not take the pointer's bar away, and there is none where it has no value yet.
  chart.update(flat(41, 25));
  expect(said()[0]).toBe("SMA 20 5");
  given.hover({ time: 3 });
  expect(readings[0]?.parts[0]?.text).toBeNull();
  given.hover({ time: 41 });
  chart.update(flat(41, 45));
  expect(said()[0]).toBe("SMA 20 8");
  given.hover({});
  expect(said()[0]).toBe("SMA 20 8");
});

test("other numbers draw other lines, and the legend has them", () => {
  const chart = made();
  chart.setIndicators(["sma", "bollinger", "rsi", "macd"]);
  chart.merge(candles(0, 40));
  const series = given.series.length;
  chart.setSettings({
    ...NORMAL,
    sma: { length: 3 },
    bollinger: { length: 5, width: 0.5 },
    rsi: { length: 2 },
    macd: { fast: 2, slow: 3, signal: 4 },
  });
  expect(readings.map((one) => one.title)).toEqual(["SMA 3", "Bollinger 5, 0.5", "RSI 2", "MACD 2, 3, 4"]);
  const closes = candles(0, 41).map((one) => one.close);
  const [bands, three] = [bollinger(closes, 5, 0.5), macd(closes, 2, 3, 4)];
  const lines = [
    sma(closes, 3),
    bands.upper,
    bands.middle,
    bands.lower,
    rsi(closes, 2),
    three.bars,
    three.macd,
    three.signal,
  ];
  chart.update(candle(40));
  expect(given.series).toHaveLength(series);
  for (const [index, line] of lines.entries()) {
    const points = given.series[index + 2]?.points.map((one) => one.value ?? null);
    expect(points).toEqual(line.map((value) => (value === null ? null : expect.closeTo(value, 9))));
  }
});
