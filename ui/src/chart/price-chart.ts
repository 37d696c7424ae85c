// The chart itself: candles, volume, indicators, fills and lines of one symbol. It knows nothing of React: prices come a thousand
// times a second.

import {
  CandlestickSeries,
  ColorType,
  CrosshairMode,
  createChart,
  createSeriesMarkers,
  HistogramSeries,
  type IChartApi,
  type IRange,
  type ISeriesApi,
  type ISeriesMarkersPluginApi,
  type SeriesMarker,
  type Time,
  type UTCTimestamp,
} from "lightweight-charts";
import { barTime } from "../format/time";
import { type Colours, colours, faint, onTheme } from "./colours";
import { type Fill, fillMarks } from "./fills";
import type { Candle } from "./indicators";
import { type LineOptions, OrderLines } from "./order-lines";
import type { Indicator, Settings } from "./settings";
import { type Reading, Studies, type StudyOptions } from "./studies";
import { tickMarks } from "./ticks";

/** A fill of the user's own. */
interface Options extends LineOptions, StudyOptions {
  /** The smallest step of prices. */
  minMove: number;
  /** Whether a bar is a day or more. */
  isDays: boolean;
  /** Less than a screen of bars is before those that are seen. */
  onNearFirst: () => void;
  /** The bar under the pointer, or the newest; the one before it; and what the indicators are there. */
  onLegend: (candle: Candle | undefined, before: Candle | undefined, readings: Reading[]) => void;
}

/** Room for a price before the first one is known. */
const SCALE_PX = 76;
/**
 * Bars kept: of no resolution the gateway keeps more than 7,200. Live ones are added to them until there are so many more, for leaving
 * some out draws all anew.
 */
const CANDLES_MAX = 10_000;
const CANDLES_MORE = 500;
/** Newest bars that are drawn one by one. More of them are drawn with all others, which takes a tenth of a second where there are many. */
const ONE_BY_ONE_MAX = 20;
/** Bars shown at first, and at least. */
const SHOWN = 140;
const SHOWN_MIN = 10;
/** Room after the newest bar, in bars. */
const AFTER = 5;

const at = ({ time }: { time: number }) => time as UTCTimestamp;

export class PriceChart {
  private readonly chart: IChartApi;
  private readonly candleSeries: ISeriesApi<"Candlestick">;
  private readonly volumes: ISeriesApi<"Histogram">;
  private readonly markers: ISeriesMarkersPluginApi<Time>;
  /** Own orders and the position. */
  readonly lines: OrderLines;
  private readonly stopTheme: () => void;
  private readonly studies: Studies;
  private candles: Candle[] = [];
  /** Told live. */
  private newest: Candle | undefined;
  /** When the newest bar that is drawn begins. */
  private drawnTo = 0;
  private isNew = true;
  /** The bar under the pointer. */
  private hovered: number | null = null;
  private fills: readonly Fill[] = [];
  private palette: Colours;

  constructor(
    private readonly container: HTMLElement,
    private readonly options: Options,
  ) {
    this.palette = colours(container);
    this.chart = createChart(container, {
      autoSize: true,
      // The page's policy lets no foreign style in; the panel has a link in the mark's place.
      layout: { attributionLogo: false },
      crosshair: { mode: CrosshairMode.Normal },
      rightPriceScale: { minimumWidth: SCALE_PX },
      localization: { timeFormatter: (time: Time) => barTime(Number(time) * 1000, options.isDays) },
      timeScale: { ...tickMarks(options.isDays), rightOffset: 6 },
    });
    const priceFormat = {
      type: "custom" as const,
      formatter: options.text,
      minMove: options.minMove,
    };
    this.candleSeries = this.chart.addSeries(CandlestickSeries, { priceFormat, borderVisible: false });
    this.candleSeries.priceScale().applyOptions({ scaleMargins: { top: 0.08, bottom: 0.22 } });
    this.volumes = this.chart.addSeries(HistogramSeries, {
      priceScaleId: "volume",
      priceFormat: { type: "volume" },
      lastValueVisible: false,
      priceLineVisible: false,
    });
    this.volumes.priceScale().applyOptions({ scaleMargins: { top: 0.82, bottom: 0 } });
    this.markers = createSeriesMarkers(this.candleSeries, []);
    this.lines = new OrderLines(container, this.chart, this.candleSeries, options, this.palette);
    this.studies = new Studies(this.chart, options, this.palette);
    this.paint();
    this.stopTheme = onTheme(() => {
      this.palette = colours(container);
      this.paint();
      this.studies.paint(this.palette);
      this.draw();
      this.lines.paint(this.palette);
      this.setFills(this.fills);
      this.tellLegend();
    });
    this.chart.subscribeCrosshairMove((event) => {
      this.hovered = event.time === undefined ? null : Number(event.time);
      this.tellLegend();
    });
    this.chart.timeScale().subscribeVisibleLogicalRangeChange((seen) => {
      if (seen) this.look(seen);
    });
  }

  dispose(): void {
    this.stopTheme();
    this.lines.dispose();
    this.chart.remove();
  }

  /** When the first bar begins. */
  get oldestTime(): number | undefined {
    return this.candles[0]?.time;
  }

  /** When the last bar begins. */
  get newestTime(): number | undefined {
    return this.candles.at(-1)?.time;
  }

  /** Whether so many older bars can be put in front. */
  hasRoom(count: number): boolean {
    return this.candles.length + count <= CANDLES_MAX;
  }

  /**
   * Puts bars in their place, oldest first: from `since` to the last of them there are no others. The newest told live is newer than
   * what was asked for. What is seen stays: the library counts from the last bar where some are put in front, else from the first.
   */
  merge(page: readonly Candle[], since = page[0]?.time ?? 0): void {
    const last = page.at(-1);
    if (!last) return;
    const before = this.candles.filter((one) => one.time < since);
    const after = this.candles.filter((one) => one.time > last.time);
    const replaced = this.candles.slice(before.length, this.candles.length - after.length);
    const isInPlace =
      replaced.length > 0 &&
      replaced.every((one, index) => one.time === page[index]?.time) &&
      (after.length === 0 || replaced.length === page.length);
    this.candles = [...before, ...page, ...after];
    this.drawChanged(isInPlace ? before.length : null);
    this.setFills(this.fills);
    if (this.newest) this.update(this.newest);
    this.tellLegend();
    if (this.isNew) {
      this.isNew = false;
      this.showNewest();
    }
  }

  /** The newest bar as it is now. */
  update(candle: Candle): void {
    this.newest = candle;
    const last = this.newestTime;
    if (last !== undefined && candle.time < last) return;
    if (candle.time === last) this.candles.pop();
    this.candles.push(candle);
    this.drawChanged(this.candles.length - 1);
    if (this.hovered === null || this.hovered === candle.time) this.tellLegend();
  }

  private tellLegend(): void {
    const under = this.hovered === null ? -1 : this.candles.findIndex((one) => one.time === this.hovered);
    const index = under < 0 ? this.candles.length - 1 : under;
    this.options.onLegend(this.candles[index], this.candles[index - 1], this.studies.readings(index));
  }

  /** Moves what is seen by so many screens, but not beyond the bars. */
  pan(screens: number): void {
    const seen = this.seen();
    if (!seen) return;
    const by = screens * (seen.to - seen.from);
    const room = by < 0 ? Math.min(-seen.from, 0) : Math.max(this.candles.length + AFTER - seen.to, 0);
    const move = by < 0 ? Math.max(by, room) : Math.min(by, room);
    this.show({ from: seen.from + move, to: seen.to + move });
  }

  /** Shows so many times the bars that are seen; the newest of them stays where it is. */
  zoom(times: number): void {
    const seen = this.seen();
    if (!seen) return;
    const count = Math.min(Math.max((seen.to - seen.from) * times, SHOWN_MIN), this.candles.length + AFTER);
    this.show({ from: seen.to - count, to: seen.to });
  }

  showOldest(): void {
    const seen = this.seen();
    if (seen) this.show({ from: 0, to: seen.to - seen.from });
  }

  showNewest(): void {
    const count = this.candles.length;
    this.show({ from: count - Math.min(SHOWN, Math.max(count, 40)), to: count + AFTER });
  }

  /** The bars that are seen, by their number. */
  private seen(): IRange<number> | null {
    return this.chart.timeScale().getVisibleLogicalRange();
  }

  private show(range: IRange<number>): void {
    this.chart.timeScale().setVisibleLogicalRange(range);
    // Where that moves nothing the library tells nothing, and yet one would go further.
    this.look(range);
  }

  private look({ from, to }: IRange<number>): void {
    if (from < to - from) this.options.onNearFirst();
  }

  setIndicators(chosen: readonly Indicator[]): void {
    this.studies.choose(chosen);
    this.drawStudies();
  }

  setSettings(settings: Settings): void {
    this.studies.set(settings);
    this.drawStudies();
  }

  private drawStudies(): void {
    this.studies.draw(this.candles);
    this.tellLegend();
  }

  setFills(fills: readonly Fill[]): void {
    this.fills = fills;
    const { buy, sell } = this.palette;
    const marks = fillMarks(fills, this.candles);
    this.markers.setMarkers(
      marks.map(
        ({ time, isBuy, price, text }): SeriesMarker<Time> => ({
          time: time as UTCTimestamp,
          // The tip of the arrow is at the price.
          position: isBuy ? "atPriceBottom" : "atPriceTop",
          shape: isBuy ? "arrowUp" : "arrowDown",
          price,
          color: isBuy ? buy : sell,
          text,
        }),
      ),
    );
  }

  private volume(candle: Candle) {
    const colour = candle.close >= candle.open ? this.palette.buy : this.palette.sell;
    return { time: at(candle), value: candle.volume, color: faint(colour, 0.35) };
  }

  private draw(): void {
    this.candleSeries.setData(this.candles.map((candle) => ({ ...candle, time: at(candle) })));
    this.volumes.setData(this.candles.map((candle) => this.volume(candle)));
    this.studies.draw(this.candles);
    this.drawnTo = this.newestTime ?? 0;
  }

  /**
   * Draws what changed: the bars from that number on, where those before and the times of those that are drawn are as they were;
   * `null`: all of them.
   */
  private drawChanged(first: number | null): void {
    const isFull = this.candles.length > CANDLES_MAX + CANDLES_MORE;
    if (isFull) this.candles = this.candles.slice(-CANDLES_MAX);
    if (isFull || first === null || this.candles.length - first > ONE_BY_ONE_MAX) {
      this.draw();
      return;
    }
    for (const candle of this.candles.slice(first)) {
      const isBefore = candle.time < this.drawnTo;
      this.candleSeries.update({ ...candle, time: at(candle) }, isBefore);
      this.volumes.update(this.volume(candle), isBefore);
    }
    this.studies.drawFrom(first, this.candles, this.drawnTo);
    this.drawnTo = this.newestTime ?? 0;
  }

  private paint(): void {
    const { panel, text, muted, line, buy, sell } = this.palette;
    const style = getComputedStyle(this.container);
    this.chart.applyOptions({
      layout: {
        background: { type: ColorType.Solid, color: panel },
        textColor: muted,
        fontFamily: style.fontFamily,
        fontSize: 11,
        panes: { separatorColor: line, separatorHoverColor: faint(text, 0.1), enableResize: true },
      },
      grid: { vertLines: { color: faint(line, 0.5) }, horzLines: { color: faint(line, 0.5) } },
      rightPriceScale: { borderColor: line },
      timeScale: { borderColor: line },
    });
    this.candleSeries.applyOptions({ upColor: buy, downColor: sell, wickUpColor: buy, wickDownColor: sell });
  }
}
