// What is seen while bars come, with the library itself. It draws on a canvas that draws nothing.

import type { IChartApi, ISeriesApi, SeriesType, UTCTimestamp } from "lightweight-charts";
import { afterEach, beforeAll, expect, test, vi } from "vitest";
import type { Candle } from "./indicators";
import { PriceChart } from "./price-chart";
import { NAMES } from "./settings";

vi.mock("./colours", async (original) => ({
  ...(await original<object>()),
  colours: () => new Proxy({}, { get: () => "rgb(1, 2, 3)" }),
}));
const made = vi.hoisted(() => ({ chart: undefined as unknown as IChartApi }));
vi.mock("lightweight-charts", async (original) => {
  const library = await original<typeof import("lightweight-charts")>();
  // jsdom lays nothing out.
  const createChart = (element: HTMLElement, options: object) => {
    made.chart = library.createChart(element, { ...options, autoSize: false, width: 900, height: 400 });
    return made.chart;
  };
  return { ...library, createChart };
});

const candle = (time: number, close = 100 + Math.sin(time)): Candle => {
  const [open, high, low] = [100, 102, 98];
  return { time: time * 60, open, high, low, close, volume: 3, vwap: close };
};
const candles = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => candle(from + index));

function open(): PriceChart {
  return new PriceChart(document.body, {
    text: String,
    minMove: 0.01,
    isDays: false,
    dayOf: (time) => String(Math.floor(time / 86_400)),
    snap: String,
    step: (price) => price,
    onDrop: () => undefined,
    onSay: () => undefined,
    onNearFirst: () => undefined,
    onLegend: () => undefined,
  });
}

/** The library moves what is seen with the next frame. */
const frame = () => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
const move = (from: number, to: number) => {
  made.chart.timeScale().setVisibleLogicalRange({ from, to });
  return frame();
};
const place = (minute: number) => made.chart.timeScale().timeToCoordinate((minute * 60) as UTCTimestamp);

// The library looks at these after a test is done, too.
beforeAll(() => {
  const nothing = () => undefined;
  const query = {
    addEventListener: nothing,
    removeEventListener: nothing,
    addListener: nothing,
    removeListener: nothing,
  };
  const size = { width: 10, actualBoundingBoxAscent: 5, actualBoundingBoxDescent: 2 };
  const canvas = new Proxy({}, { get: (_, name) => (name === "measureText" ? () => size : nothing), set: () => true });
  Object.assign(window, { matchMedia: () => query });
  Object.assign(HTMLCanvasElement.prototype, { getContext: () => canvas });
});
afterEach(() => document.body.replaceChildren());

test.each([
  ["among the first bars", 100, 240, 10_150],
  ["where before the first bar there is room", -50, 90, 10_020],
  ["at the newest", 865, 1_005, 10_950],
])("older bars that are put in front move nothing, %s", async (_, from, to, minute) => {
  const chart = open();
  chart.setIndicators(NAMES);
  chart.merge(candles(10_000, 11_000));
  await move(from, to);
  const before = place(minute);
  expect(before).toBeGreaterThan(0);
  chart.merge(candles(9_000, 10_000));
  await frame();
  expect(place(minute)).toBe(before);
  chart.update(candle(10_999, 101));
  chart.merge(candles(8_990, 9_000));
  await frame();
  expect(place(minute)).toBe(before);
  chart.dispose();
});

test("bars that are added and corrected move nothing where the newest is not seen", async () => {
  const chart = open();
  chart.merge(candles(10_000, 11_000));
  await move(100, 240);
  const before = place(10_150);
  chart.update(candle(11_002));
  chart.merge(candles(10_999, 11_003));
  chart.merge(candles(10_990, 11_100));
  await frame();
  expect(place(10_150)).toBe(before);
  chart.dispose();
});

/** All that is drawn. */
function data(): unknown[][] {
  const series = made.chart.panes().flatMap((pane) => pane.getSeries() as ISeriesApi<SeriesType>[]);
  return series.map((one) =>
    one.data().map((point) => ("value" in point ? [point.time, point.value.toFixed(9)] : point)),
  );
}

test("bars that came piece by piece are drawn as if they had come at once", async () => {
  const chart = open();
  chart.merge(candles(500, 560));
  chart.setIndicators(NAMES);
  chart.update(candle(560, 90));
  chart.update(candle(563, 80));
  chart.merge(candles(560, 565));
  chart.merge(candles(300, 500));
  chart.update(candle(565));
  chart.merge([...candles(562, 564), candle(564, 70), ...candles(565, 567)]);
  chart.merge([candle(564, 60)]);
  chart.update(candle(568));
  chart.merge(candles(566, 568));
  const pieces = data();
  chart.dispose();
  const atOnce = open();
  atOnce.setIndicators(NAMES);
  atOnce.merge([...candles(300, 564), candle(564, 60), ...candles(565, 569)]);
  expect(pieces).toHaveLength(12);
  expect(pieces).toEqual(data());
  atOnce.dispose();
});

test("a value where there was none is drawn in its place", () => {
  const idle = (time: number) => ({ ...candle(time), volume: 0 });
  const bars = [idle(0), idle(1), idle(2), candle(3), candle(4)];
  const chart = open();
  chart.setIndicators(["vwap"]);
  chart.merge(bars);
  chart.merge([candle(1)]);
  expect(data()[2]).toHaveLength(4);
  chart.merge([idle(1)]);
  expect(data()[2]).toHaveLength(2);
  chart.dispose();
});
