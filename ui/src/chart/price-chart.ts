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
  type ISeriesApi,
  type ISeriesMarkersPluginApi,
  LineSeries,
  LineStyle,
  type SeriesMarker,
  type SeriesType,
  type Time,
  type UTCTimestamp,
} from "lightweight-charts";
import { barTime } from "../format/time";
import { type Colours, colours, faint, onTheme } from "./colours";
import { bollinger, type Candle, ema, type Line, macd, rsi, sma, vwap } from "./indicators";
import { type LineOptions, OrderLines } from "./order-lines";
import { tickMarks } from "./ticks";

export const INDICATORS = [
  ["sma", "SMA 20"],
  ["ema", "EMA 50"],
  ["bollinger", "Bollinger 20, 2"],
  ["vwap", "VWAP of the day"],
  ["rsi", "RSI 14"],
  ["macd", "MACD 12, 26, 9"],
] as const;

export type Indicator = (typeof INDICATORS)[number][0];

/** A fill of the user's own. */
export interface FillMark {
  time: number;
  isBuy: boolean;
  text: string;
}

interface Options extends LineOptions {
  /** A price as it is written. */
  text: (price: number) => string;
  /** The smallest step of prices. */
  minMove: number;
  /** Whether a bar is a day or more. */
  isDays: boolean;
  /** The exchange's day of a time, for what begins anew with it. */
  dayOf: (time: number) => string;
  /** Under the pointer, or the newest; and what the indicators are now. */
  onLegend: (candle: Candle | undefined, readings: Reading[]) => void;
}

/** The last value of a line of an indicator, for the legend. */
export interface Reading {
  name: string;
  colour: string;
  text: string;
}

interface Drawn {
  /** What the legend calls it; what has no name is not in it. */
  name?: string;
  colour?: string;
  last?: number | null | undefined;
  series: ISeriesApi<SeriesType>;
  /** The newest bars that its last value is made of; 0: all of them. */
  needs: number;
  /** The value of each bar, and its colour if it differs. */
  values: (candles: Candle[], colours: Colours) => { line: Line; colour?: (value: number) => string };
}

/** Room for a price before the first one is known. */
const SCALE_PX = 76;
/** Bars kept. Live ones are added to them until there are so many more, for leaving some out draws all anew. */
const CANDLES_MAX = 2_000;
const CANDLES_MORE = 500;
/** Bars shown at first, and at least. */
const SHOWN = 140;
const SHOWN_MIN = 10;
/** Room after the newest bar, in bars. */
const AFTER = 5;
/** Parts of the height that prices have beside one pane of an indicator. */
const PRICE_STRETCH = 3;

const at = (candle: Candle) => candle.time as UTCTimestamp;

export class PriceChart {
  private readonly chart: IChartApi;
  private readonly candleSeries: ISeriesApi<"Candlestick">;
  private readonly volumes: ISeriesApi<"Histogram">;
  private readonly markers: ISeriesMarkersPluginApi<Time>;
  /** Own orders and the position. */
  readonly lines: OrderLines;
  private readonly stopTheme: () => void;
  private drawn: Drawn[] = [];
  private chosen: Indicator[] = [];
  private candles: Candle[] = [];
  private newest: Candle | undefined;
  private isNew = true;
  private isHovered = false;
  private fills: readonly FillMark[] = [];
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
    this.paint();
    this.stopTheme = onTheme(() => {
      this.palette = colours(container);
      this.paint();
      this.draw();
      this.setIndicators(this.chosen);
      this.lines.paint(this.palette);
      this.setFills(this.fills);
    });
    this.chart.subscribeCrosshairMove((event) => {
      const under = this.candles.find((one) => one.time === Number(event.time));
      this.isHovered = under !== undefined;
      this.tellLegend(under);
    });
  }

  dispose(): void {
    this.stopTheme();
    this.lines.dispose();
    this.chart.remove();
  }

  /** All bars anew, oldest first; the newest told live is newer than what was asked for. */
  setBars(candles: Candle[]): void {
    this.candles = candles;
    this.draw();
    this.drawIndicators();
    this.setFills(this.fills);
    if (this.newest) this.update(this.newest);
    if (!this.isHovered) this.tellLegend();
    if (this.isNew && candles.length > 0) {
      this.isNew = false;
      this.showNewest();
    }
  }

  /** Bars that are done, as they ended: the newest told live may have been followed by another before it was drawn. */
  correct(tail: Candle[]): void {
    const first = tail[0];
    if (first) this.setBars([...this.candles.filter((candle) => candle.time < first.time), ...tail]);
  }

  /** The newest bar as it is now. */
  update(candle: Candle): void {
    this.newest = candle;
    const last = this.candles.at(-1);
    if (last && candle.time < last.time) return;
    if (last?.time === candle.time) this.candles[this.candles.length - 1] = candle;
    else this.candles.push(candle);
    if (this.candles.length > CANDLES_MAX + CANDLES_MORE) this.setBars(this.candles.slice(-CANDLES_MAX));
    else this.drawNewest(candle);
    if (!this.isHovered) this.tellLegend();
  }

  private tellLegend(under?: Candle): void {
    const readings = this.drawn.flatMap(({ name, colour, last }): Reading[] =>
      name && colour && typeof last === "number" ? [{ name, colour, text: this.options.text(last) }] : [],
    );
    this.options.onLegend(under ?? this.candles.at(-1), readings);
  }

  private drawNewest(candle: Candle): void {
    this.candleSeries.update({ ...candle, time: at(candle) });
    this.volumes.update(this.volume(candle));
    for (const one of this.drawn) {
      const { line, colour } = one.values(one.needs ? this.candles.slice(-one.needs) : this.candles, this.palette);
      const value = line.at(-1);
      one.last = value;
      if (value === null || value === undefined) continue;
      one.series.update({ time: at(candle), value, ...(colour ? { color: colour(value) } : {}) });
    }
  }

  /** Moves what is seen by so many screens, but not beyond the bars. */
  pan(screens: number): void {
    const seen = this.chart.timeScale().getVisibleLogicalRange();
    if (!seen) return;
    const by = screens * (seen.to - seen.from);
    const room = by < 0 ? Math.min(-seen.from, 0) : Math.max(this.candles.length + AFTER - seen.to, 0);
    const move = by < 0 ? Math.max(by, room) : Math.min(by, room);
    this.chart.timeScale().setVisibleLogicalRange({ from: seen.from + move, to: seen.to + move });
  }

  /** Shows so many times the bars that are seen; the newest of them stays where it is. */
  zoom(times: number): void {
    const seen = this.chart.timeScale().getVisibleLogicalRange();
    if (!seen) return;
    const count = Math.min(Math.max((seen.to - seen.from) * times, SHOWN_MIN), this.candles.length + AFTER);
    this.chart.timeScale().setVisibleLogicalRange({ from: seen.to - count, to: seen.to });
  }

  showOldest(): void {
    const seen = this.chart.timeScale().getVisibleLogicalRange();
    if (seen) this.chart.timeScale().setVisibleLogicalRange({ from: 0, to: seen.to - seen.from });
  }

  showNewest(): void {
    const count = this.candles.length;
    this.chart
      .timeScale()
      .setVisibleLogicalRange({ from: count - Math.min(SHOWN, Math.max(count, 40)), to: count + AFTER });
  }

  setIndicators(chosen: readonly Indicator[]): void {
    this.chosen = [...chosen];
    for (const one of this.drawn) this.chart.removeSeries(one.series);
    this.drawn = [];
    for (let pane = this.chart.panes().length - 1; pane > 0; pane -= 1) this.chart.removePane(pane);
    const { accent, warn, focus, muted, buy, sell } = this.palette;
    const closes = (candles: Candle[]) => candles.map((candle) => candle.close);
    const line = (
      color: string,
      values: (candles: Candle[]) => Line,
      { pane = 0, title = "", name = "", needs = 0 } = {},
    ) => {
      const series = this.chart.addSeries(
        LineSeries,
        {
          color,
          title,
          lineWidth: 1,
          priceLineVisible: false,
          lastValueVisible: pane > 0,
          crosshairMarkerVisible: false,
          ...(pane > 0 ? { priceFormat: { type: "price" as const, precision: 2, minMove: 0.01 } } : {}),
        },
        pane,
      );
      this.drawn.push({ series, name, colour: color, needs, values: (candles) => ({ line: values(candles) }) });
      return series;
    };
    let pane = 0;
    for (const name of chosen) {
      if (name === "sma") line(warn, (candles) => sma(closes(candles), 20), { name: "SMA", needs: 20 });
      if (name === "ema") line(focus, (candles) => ema(closes(candles), 50), { name: "EMA" });
      if (name === "vwap") line(accent, (candles) => vwap(candles, this.options.dayOf), { name: "VWAP" });
      if (name === "bollinger") {
        for (const part of ["upper", "middle", "lower"] as const) {
          line(muted, (candles) => bollinger(closes(candles), 20)[part], { name: `Bollinger ${part}`, needs: 20 });
        }
      }
      if (name === "rsi") {
        pane += 1;
        const series = line(accent, (candles) => rsi(closes(candles)), { pane, title: "RSI" });
        for (const price of [30, 70]) {
          series.createPriceLine({
            price,
            color: muted,
            lineWidth: 1,
            lineStyle: LineStyle.Dotted,
            axisLabelVisible: false,
          });
        }
      }
      if (name === "macd") {
        pane += 1;
        const bars = this.chart.addSeries(HistogramSeries, { priceLineVisible: false, lastValueVisible: false }, pane);
        this.drawn.push({
          series: bars,
          needs: 0,
          values: (candles) => ({
            line: macd(closes(candles)).bars,
            colour: (value) => faint(value >= 0 ? buy : sell, 0.5),
          }),
        });
        line(accent, (candles) => macd(closes(candles)).macd, { pane, title: "MACD" });
        line(warn, (candles) => macd(closes(candles)).signal, { pane, title: "Signal" });
      }
    }
    for (const [index, one] of this.chart.panes().entries()) one.setStretchFactor(index === 0 ? PRICE_STRETCH : 1);
    this.drawIndicators();
    this.tellLegend();
  }

  setFills(fills: readonly FillMark[]): void {
    this.fills = fills;
    const { buy, sell } = this.palette;
    const first = this.candles[0]?.time ?? 0;
    const markers: SeriesMarker<Time>[] = [];
    let index = 0;
    for (const fill of [...fills].sort((a, b) => a.time - b.time)) {
      if (fill.time < first) continue;
      // The bar that it belongs to: intervals without a trade have none.
      while ((this.candles[index + 1]?.time ?? Number.POSITIVE_INFINITY) <= fill.time) index += 1;
      const candle = this.candles[index];
      if (!candle) break;
      markers.push({
        time: at(candle),
        position: fill.isBuy ? "belowBar" : "aboveBar",
        shape: fill.isBuy ? "arrowUp" : "arrowDown",
        color: fill.isBuy ? buy : sell,
        text: fill.text,
      });
    }
    this.markers.setMarkers(markers);
  }

  private volume(candle: Candle) {
    const colour = candle.close >= candle.open ? this.palette.buy : this.palette.sell;
    return { time: at(candle), value: candle.volume, color: faint(colour, 0.35) };
  }

  private draw(): void {
    this.candleSeries.setData(this.candles.map((candle) => ({ ...candle, time: at(candle) })));
    this.volumes.setData(this.candles.map((candle) => this.volume(candle)));
  }

  private drawIndicators(): void {
    for (const one of this.drawn) {
      const { series, values } = one;
      const { line, colour } = values(this.candles, this.palette);
      one.last = line.at(-1);
      series.setData(
        this.candles.map((candle, index) => {
          const value = line[index];
          if (value === null || value === undefined) return { time: at(candle) };
          return { time: at(candle), value, ...(colour ? { color: colour(value) } : {}) };
        }),
      );
    }
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
