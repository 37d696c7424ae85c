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
import { type Colours, colours, faint, HISTOGRAM_COVER, LINE_COLOURS, onTheme } from "./colours";
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
  /** The bar under the pointer, or the newest; the one before it; and what the indicators are there. */
  onLegend: (candle: Candle | undefined, before: Candle | undefined, readings: Reading[]) => void;
}

/** An indicator at a bar, for the legend: its lines in their colours. */
export interface Reading {
  title: string;
  parts: { colour: string; sample: string; text: string | null }[];
}

interface Drawn {
  indicator: Indicator;
  /** What it looks like, in the legend. */
  sample: string;
  colour: (value: number) => string;
  text: (value: number) => string;
  series: ISeriesApi<SeriesType>;
  /** The newest bars that its last value is made of; 0: all of them. */
  needs: number;
  /** The value of each bar. */
  values: (candles: Candle[]) => Line;
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
/** A line's style, in the legend. */
const SAMPLES: Partial<Record<LineStyle, string>> = { [LineStyle.Dashed]: "╍", [LineStyle.Dotted]: "┅" };
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
  /** The bar under the pointer. */
  private hovered: number | null = null;
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
      this.hovered = event.time === undefined ? null : Number(event.time);
      this.tellLegend();
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
    this.tellLegend();
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
    if (this.hovered === null || this.hovered === candle.time) this.tellLegend();
  }

  private tellLegend(): void {
    const under = this.hovered === null ? -1 : this.candles.findIndex((one) => one.time === this.hovered);
    const index = under < 0 ? this.candles.length - 1 : under;
    const part = ({ series, sample, colour, text }: Drawn) => {
      const point = series.dataByIndex(index);
      if (!point || !("value" in point)) return { sample, colour: this.palette.muted, text: null };
      return { sample, colour: colour(point.value), text: text(point.value) };
    };
    const readings = INDICATORS.filter(([name]) => this.chosen.includes(name)).map(([name, title]) => ({
      title,
      parts: this.drawn.filter((one) => one.indicator === name).map(part),
    }));
    this.options.onLegend(this.candles[index], this.candles[index - 1], readings);
  }

  private drawNewest(candle: Candle): void {
    this.candleSeries.update({ ...candle, time: at(candle) });
    this.volumes.update(this.volume(candle));
    for (const one of this.drawn) {
      const value = one.values(one.needs ? this.candles.slice(-one.needs) : this.candles).at(-1);
      if (value === null || value === undefined) continue;
      one.series.update({ time: at(candle), value, color: one.colour(value) });
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
    const { muted, buy, sell } = this.palette;
    const closes = (candles: Candle[]) => candles.map((candle) => candle.close);
    const { text } = this.options;
    const line = (
      indicator: Indicator,
      name: keyof typeof LINE_COLOURS,
      values: (candles: Candle[]) => Line,
      { pane = 0, title = "", needs = 0, style = LineStyle.Solid, format = text } = {},
    ) => {
      const color = this.palette[LINE_COLOURS[name]];
      const series = this.chart.addSeries(
        LineSeries,
        {
          color,
          title,
          lineWidth: 1,
          lineStyle: style,
          priceLineVisible: false,
          lastValueVisible: pane > 0,
          crosshairMarkerVisible: false,
          ...(pane > 0 ? { priceFormat: { type: "price" as const, precision: 2, minMove: 0.01 } } : {}),
        },
        pane,
      );
      const sample = SAMPLES[style] ?? "━";
      this.drawn.push({ indicator, sample, colour: () => color, text: format, series, needs, values });
      return series;
    };
    let pane = 0;
    for (const name of chosen) {
      if (name === "sma") line(name, name, (candles) => sma(closes(candles), 20), { needs: 20 });
      if (name === "ema") line(name, name, (candles) => ema(closes(candles), 50));
      // Those who see its colour as another's have its dashes.
      if (name === "vwap") {
        line(name, name, (candles) => vwap(candles, this.options.dayOf), { style: LineStyle.Dashed });
      }
      if (name === "bollinger") {
        for (const part of ["upper", "middle", "lower"] as const) {
          const style = part === "middle" ? LineStyle.Dotted : LineStyle.Solid;
          line(name, name, (candles) => bollinger(closes(candles), 20)[part], { needs: 20, style });
        }
      }
      if (name === "rsi") {
        pane += 1;
        const format = (value: number) => value.toFixed(2);
        const series = line(name, name, (candles) => rsi(closes(candles)), { pane, title: "RSI", format });
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
        this.drawn.push({
          indicator: name,
          sample: "▮",
          series: this.chart.addSeries(HistogramSeries, { priceLineVisible: false, lastValueVisible: false }, pane),
          needs: 0,
          colour: (value) => faint(value >= 0 ? buy : sell, HISTOGRAM_COVER),
          text,
          values: (candles) => macd(closes(candles)).bars,
        });
        line(name, name, (candles) => macd(closes(candles)).macd, { pane, title: "MACD" });
        line(name, "signal", (candles) => macd(closes(candles)).signal, { pane, title: "Signal" });
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
    for (const { series, values, colour } of this.drawn) {
      const line = values(this.candles);
      series.setData(
        this.candles.map((candle, index) => {
          const value = line[index];
          if (value === null || value === undefined) return { time: at(candle) };
          return { time: at(candle), value, color: colour(value) };
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
