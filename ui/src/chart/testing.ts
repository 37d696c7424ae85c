// What component tests of the chart share. The library draws on a canvas, which jsdom lacks: what it is given is what is tested.

interface Point {
  time: number;
  value?: number;
}

interface Series {
  color: string;
  set: Point[][];
  updated: { time: number; value: number }[];
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
      return {
        applyOptions: () => undefined,
        panes: () => [pane],
        timeScale: () => ({
          getVisibleLogicalRange: () => given.seen,
          setVisibleLogicalRange: (range: { from: number; to: number }) => Object.assign(given, { seen: range }),
        }),
        subscribeCrosshairMove: (listener: typeof given.hover) => Object.assign(given, { hover: listener }),
        removeSeries: () => undefined,
        remove: () => undefined,
        addSeries: (_kind: unknown, { color = "" }: { color?: string }) => {
          const one: Series = { color, set: [], updated: [] };
          let points: Point[] = [];
          given.series.push(one);
          return {
            applyOptions: () => undefined,
            priceScale,
            createPriceLine,
            removePriceLine,
            priceToCoordinate: (price: number) => 1_000 - price,
            coordinateToPrice: (y: number) => 1_000 - y,
            setData: (data: Point[]) => {
              one.set.push(data);
              points = [...data];
            },
            update: (point: { time: number; value: number }) => {
              one.updated.push(point);
              points = [...points.filter((before) => before.time !== point.time), point];
            },
            dataByIndex: (index: number) => {
              const point = points[index];
              return point && "value" in point ? point : null;
            },
          };
        },
      };
    },
  };
}
