// What component tests of the chart share. The library draws on a canvas, which jsdom lacks: what it is given is what is tested.

import { Refusal } from "../pages/testing";

interface Point {
  time: number;
  value?: number;
}

interface Series {
  color: string;
  set: Point[][];
  updated: { time: number; value: number }[];
  /** What it draws now. */
  points: Point[];
}

interface PriceLine {
  price: number;
  color: string;
  title: string;
  lineWidth: number;
}

/** What the library was given last. */
export const given = {
  series: [] as Series[],
  options: {} as { timeScale?: { tickMarkFormatter: (time: number, type: number) => string } },
  priceLines: [] as PriceLine[],
  /** Bars seen, by their number. */
  seen: { from: 0, to: 0 },
  /** Moves what is seen, as a pointer does. */
  move: (_: { from: number; to: number }) => {},
  /** Prices seen. */
  prices: { from: 0, to: 1_000 },
  isAutoScaled: true,
  /** Moves the pointer to a bar, or away. */
  hover: (_: { time?: number }) => {},
};

/** The library without its canvas: prices are pixels, from the top down. */
export function library(original: object): object {
  const priceScale = () => ({
    applyOptions: () => undefined,
    options: () => ({ autoScale: given.isAutoScaled }),
    getVisibleRange: () => given.prices,
    setVisibleRange: (range: { from: number; to: number }) =>
      Object.assign(given, { prices: range, isAutoScaled: false }),
    setAutoScale: (isOn: boolean) => Object.assign(given, { isAutoScaled: isOn }),
  });
  const createPriceLine = (options: PriceLine) => {
    given.priceLines.push(options);
    return { options, applyOptions: (changed: Partial<PriceLine>) => Object.assign(options, changed) };
  };
  const removePriceLine = ({ options }: { options: PriceLine }) => {
    given.priceLines = given.priceLines.filter((line) => line !== options);
  };
  return {
    ...original,
    createSeriesMarkers: () => ({ setMarkers: () => undefined }),
    createChart: (_: unknown, options: object) => {
      Object.assign(given, { options, series: [], priceLines: [], seen: { from: 0, to: 0 } });
      const pane = { setStretchFactor: () => undefined };
      let onMove = (_: typeof given.seen) => {};
      given.move = (range) => {
        const isSame = range.from === given.seen.from && range.to === given.seen.to;
        given.seen = range;
        if (!isSame) onMove(range);
      };
      return {
        applyOptions: () => undefined,
        panes: () => [pane],
        timeScale: () => ({
          getVisibleLogicalRange: () => given.seen,
          setVisibleLogicalRange: (range: typeof given.seen) => given.move(range),
          subscribeVisibleLogicalRangeChange: (listener: typeof onMove) => {
            onMove = listener;
          },
        }),
        subscribeCrosshairMove: (listener: typeof given.hover) => Object.assign(given, { hover: listener }),
        removeSeries: () => undefined,
        remove: () => undefined,
        addSeries: (_kind: unknown, { color = "" }: { color?: string }) => {
          const one: Series = { color, set: [], updated: [], points: [] };
          const isFirst = given.series.push(one) === 1;
          return {
            applyOptions: () => undefined,
            priceScale,
            createPriceLine,
            removePriceLine,
            priceToCoordinate: (price: number) => 1_000 - price,
            coordinateToPrice: (y: number) => 1_000 - y,
            setData: (data: Point[]) => {
              const [before, { from, to }] = [one.points, given.seen];
              one.set.push(data);
              one.points = [...data];
              // The number of a bar that is seen is counted from the first, its place on the screen from the last.
              const added = (data[0]?.time ?? 0) < (before[0]?.time ?? 0) ? data.length - before.length : 0;
              if (isFirst && added > 0) given.move({ from: from + added, to: to + added });
            },
            update: (point: { time: number; value: number }, isBefore = false) => {
              const at = one.points.findLastIndex((before) => before.time <= point.time);
              const isThere = one.points[at]?.time === point.time;
              if (isBefore !== at < one.points.length - 1 || (isBefore && !isThere)) throw new Error("no such bar");
              one.updated.push(point);
              one.points.splice(isThere ? at : at + 1, isThere ? 1 : 0, point);
            },
            dataByIndex: (index: number) => {
              const point = one.points[index];
              return point && "value" in point ? point : null;
            },
          };
        },
      };
    },
  };
}

/** A bar as the gateway tells it, by the minute that it begins in. */
export const bar = (minute: number) => ({
  start: new Date(minute * 60_000).toISOString(),
  open: "100",
  high: "101",
  low: "99",
  close: "100",
  volume: "5",
  vwap: "100",
  trades: 1,
  is_whole: true,
});

/** A history by the minute that answers as the gateway does; tests change the bars, and what it waits for, as they go. */
export class PastMinutes {
  /** What it was asked for, but for what is always the same. */
  readonly asked: Record<string, number>[] = [];
  isBroken = false;
  wait: Promise<void> = Promise.resolve();

  constructor(public bars: ReturnType<typeof bar>[]) {}

  readonly answer = async (_: unknown, url: URL) => {
    const minute = (name: string) => Date.parse(url.searchParams.get(name) ?? "") / 60_000;
    const [from, to, limit] = [minute("from"), minute("to"), Number(url.searchParams.get("limit"))];
    this.asked.push({ ...(Number.isNaN(from) ? {} : { from }), ...(Number.isNaN(to) ? {} : { to }) });
    const at = ({ start }: { start: string }) => Date.parse(start) / 60_000;
    const found = this.bars.filter((one) => !(at(one) < from) && !(at(one) >= to));
    const page = Number.isNaN(from) ? found.slice(-limit) : found.slice(0, limit);
    await this.wait;
    return this.isBroken ? new Refusal(500, "internal") : page;
  };
}
