// A value over time, and how far it is below its highest under it. Loaded only where it is drawn.

import {
  AreaSeries,
  createChart,
  type IChartApi,
  type ISeriesApi,
  LineType,
  type Time,
  type UTCTimestamp,
} from "lightweight-charts";
import { useEffect, useRef } from "react";
import { dateTime } from "../format/time";
import { useZone } from "../shell/user";
import { colours, faint, onTheme } from "./colours";
import { tickMarks } from "./ticks";

export interface Point {
  /** Milliseconds since the Unix epoch. */
  at: number;
  value: number;
  below: number;
}

interface LineProps {
  /** What the picture shows, to those who do not see it. */
  label: string;
  points: readonly Point[];
  /** Digits after the point of a value. */
  digits?: number;
}

/** Parts of the height that the value and what is below it have. */
const HEIGHTS = [3, 1] as const;

const ms = (time: Time) => (time as number) * 1_000;

export default function Line({ label, points, digits = 2 }: LineProps) {
  const host = useRef<HTMLDivElement>(null);
  const chart = useRef<IChartApi | null>(null);
  const series = useRef<ISeriesApi<"Area">[]>([]);
  const zone = useZone();

  // biome-ignore lint/correctness/useExhaustiveDependencies: another zone is another chart
  useEffect(() => {
    const element = host.current;
    if (!element) return;
    const money = new Intl.NumberFormat(undefined, { minimumFractionDigits: digits, maximumFractionDigits: digits });
    const made = createChart(element, {
      autoSize: true,
      layout: { attributionLogo: false, fontSize: 11, panes: { enableResize: false } },
      localization: { timeFormatter: (time: Time) => dateTime(ms(time)) },
      timeScale: tickMarks(false),
      handleScroll: false,
      handleScale: false,
    });
    const options = { lineWidth: 2 as const, lineType: LineType.WithSteps, lastValueVisible: true };
    const value = made.addSeries(AreaSeries, {
      ...options,
      priceFormat: { type: "custom", formatter: (price: number) => money.format(price), minMove: 10 ** -digits },
    });
    const below = made.addSeries(
      AreaSeries,
      {
        ...options,
        invertFilledArea: true,
        priceFormat: { type: "custom", formatter: (part: number) => `${part.toFixed(2)} %`, minMove: 0.01 },
        priceLineVisible: false,
      },
      1,
    );
    for (const [index, pane] of made.panes().entries()) pane.setStretchFactor(HEIGHTS[index] ?? 1);
    // What is drawn stays all of it when the page gets narrower.
    made.timeScale().subscribeSizeChange(() => made.timeScale().fitContent());
    chart.current = made;
    series.current = [value, below];
    return () => {
      made.remove();
      chart.current = null;
      series.current = [];
    };
  }, [digits, zone]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: digits and zone make another chart
  useEffect(() => {
    const dress = () => {
      const element = host.current;
      const [value, below] = series.current;
      if (!element || !chart.current || !value || !below) return;
      const { accent, sell: fall, line, muted } = colours(element);
      chart.current.applyOptions({
        layout: {
          background: { color: "transparent" },
          textColor: muted,
          fontFamily: getComputedStyle(element).fontFamily,
          panes: { separatorColor: line },
        },
        grid: { vertLines: { color: line }, horzLines: { color: line } },
        rightPriceScale: { borderColor: line },
        timeScale: { borderColor: line },
      });
      value.applyOptions({
        lineColor: accent,
        topColor: faint(accent, 0.25),
        bottomColor: faint(accent, 0.02),
      });
      below.applyOptions({
        lineColor: fall,
        topColor: faint(fall, 0.05),
        bottomColor: faint(fall, 0.3),
      });
    };
    dress();
    return onTheme(dress);
  }, [digits, zone]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: another chart needs its points
  useEffect(() => {
    const [value, below] = series.current;
    if (!value || !below) return;
    // The library takes whole seconds, each once.
    const seconds = new Map(points.map((point) => [Math.floor(point.at / 1_000), point]));
    const list = [...seconds].map(([time, point]) => ({ time: time as UTCTimestamp, point }));
    value.setData(list.map(({ time, point }) => ({ time, value: point.value })));
    below.setData(list.map(({ time, point }) => ({ time, value: point.below })));
    chart.current?.timeScale().fitContent();
  }, [points, digits, zone]);

  return <div ref={host} className="line-chart" role="img" aria-label={label} />;
}
