// The indicators as the chart draws them: lines among the candles, and panes below.

import {
  HistogramSeries,
  type IChartApi,
  type ISeriesApi,
  LineSeries,
  LineStyle,
  type SeriesType,
  type UTCTimestamp,
} from "lightweight-charts";
import { type Colours, faint, HISTOGRAM_COVER, LINE_COLOURS } from "./colours";
import { bollinger, type Candle, ema, type Line, macd, rsi, sma, vwap } from "./indicators";
import { fullTitleOf, type Indicator, NORMAL, type Settings } from "./settings";

export interface StudyOptions {
  /** A price as it is written. */
  text: (price: number) => string;
  /** The exchange's day of a time, for what begins anew with it. */
  dayOf: (time: number) => string;
}

/** An indicator at a bar, for the legend: its lines in their colours. */
export interface Reading {
  title: string;
  parts: { colour: string; sample: string; text: string | null }[];
}

/** One line of an indicator. */
interface Part {
  /** What it looks like, in the legend. */
  sample: string;
  colour: (value: number) => string;
  text: (value: number) => string;
  series: ISeriesApi<SeriesType>;
}

interface Study {
  name: Indicator;
  parts: Part[];
}

/** A line's style, in the legend. */
const SAMPLES: Partial<Record<LineStyle, string>> = { [LineStyle.Dashed]: "╍", [LineStyle.Dotted]: "┅" };
/** Parts of the height that prices have beside one pane of an indicator. */
const PRICE_STRETCH = 3;

export class Studies {
  private drawn: Study[] = [];
  private chosen: readonly Indicator[] = [];
  private settings = NORMAL;

  constructor(
    private readonly chart: IChartApi,
    private readonly options: StudyOptions,
    private palette: Colours,
  ) {}

  /** Other numbers; what is drawn stays until it is drawn anew. */
  set(settings: Settings): void {
    this.settings = settings;
  }

  paint(palette: Colours): void {
    this.palette = palette;
    this.choose(this.chosen);
  }

  /** The lines of these, empty. */
  choose(chosen: readonly Indicator[]): void {
    this.chosen = chosen;
    for (const { parts } of this.drawn) for (const { series } of parts) this.chart.removeSeries(series);
    for (let pane = this.chart.panes().length - 1; pane > 0; pane -= 1) this.chart.removePane(pane);
    let panes = 0;
    this.drawn = chosen.map((name) => {
      if (name === "rsi" || name === "macd") panes += 1;
      return { name, parts: this.partsOf(name, panes) };
    });
    for (const [index, one] of this.chart.panes().entries()) one.setStretchFactor(index === 0 ? PRICE_STRETCH : 1);
  }

  draw(candles: readonly Candle[]): void {
    for (const { name, parts } of this.drawn) {
      const lines = this.linesOf(name, candles);
      for (const [number, { series, colour }] of parts.entries()) {
        const line = lines[number] ?? [];
        series.setData(
          candles.map((candle, index) => {
            const [time, value] = [candle.time as UTCTimestamp, line[index] ?? null];
            return value === null ? { time } : { time, value, color: colour(value) };
          }),
        );
      }
    }
  }

  /** Draws anew from the bar of that number on; the bars until `drawnTo` are drawn. */
  drawFrom(first: number, candles: readonly Candle[], drawnTo: number): void {
    for (const { name, parts } of this.drawn) {
      const start = Math.max(first + 1 - this.needsOf(name), 0);
      const lines = this.linesOf(name, candles.slice(start));
      for (const [number, { series, colour }] of parts.entries()) {
        for (let index = first; index < candles.length; index += 1) {
          const time = candles[index]?.time ?? 0;
          const value = lines[number]?.[index - start] ?? null;
          const isBefore = time < drawnTo;
          // The library would write a value where there was none into the place of another.
          if (isBefore && (value === null) !== (series.dataByIndex(index) === null)) {
            this.draw(candles);
            return;
          }
          if (value === null) continue;
          series.update({ time: time as UTCTimestamp, value, color: colour(value) }, isBefore);
        }
      }
    }
  }

  /** What they are at the bar of that number. */
  readings(index: number): Reading[] {
    const part = ({ series, sample, colour, text }: Part) => {
      const point = series.dataByIndex(index);
      if (!point || !("value" in point)) return { sample, colour: this.palette.muted, text: null };
      return { sample, colour: colour(point.value), text: text(point.value) };
    };
    return this.drawn.map(({ name, parts }) => ({ title: fullTitleOf(name, this.settings), parts: parts.map(part) }));
  }

  /** The newest bars that the last value is made of. */
  private needsOf(name: Indicator): number {
    return name === "sma" || name === "bollinger" ? this.settings[name].length : Number.POSITIVE_INFINITY;
  }

  /** The value of each bar, for each part. */
  private linesOf(name: Indicator, candles: readonly Candle[]): Line[] {
    const { settings } = this;
    const closes = candles.map((candle) => candle.close);
    switch (name) {
      case "sma":
        return [sma(closes, settings.sma.length)];
      case "ema":
        return [ema(closes, settings.ema.length)];
      case "vwap":
        return [vwap(candles, this.options.dayOf)];
      case "bollinger": {
        const { upper, middle, lower } = bollinger(closes, settings.bollinger.length, settings.bollinger.width);
        return [upper, middle, lower];
      }
      case "rsi":
        return [rsi(closes, settings.rsi.length)];
      case "macd": {
        const { fast, slow, signal } = settings.macd;
        const lines = macd(closes, fast, slow, signal);
        return [lines.bars, lines.macd, lines.signal];
      }
    }
  }

  private partsOf(name: Indicator, pane: number): Part[] {
    switch (name) {
      case "sma":
      case "ema":
        return [this.line(name)];
      // Those who see its colour as another's have its dashes.
      case "vwap":
        return [this.line(name, { style: LineStyle.Dashed })];
      case "bollinger":
        return [this.line(name), this.line(name, { style: LineStyle.Dotted }), this.line(name)];
      case "rsi": {
        const part = this.line(name, { pane, title: "RSI", text: (value) => value.toFixed(2) });
        for (const price of [30, 70]) {
          part.series.createPriceLine({
            price,
            color: this.palette.muted,
            lineWidth: 1,
            lineStyle: LineStyle.Dotted,
            axisLabelVisible: false,
          });
        }
        return [part];
      }
      case "macd":
        return [
          this.histogram(pane),
          this.line("macd", { pane, title: "MACD" }),
          this.line("signal", { pane, title: "Signal" }),
        ];
    }
  }

  private line(
    name: keyof typeof LINE_COLOURS,
    { pane = 0, title = "", style = LineStyle.Solid, text = this.options.text } = {},
  ): Part {
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
    return { sample: SAMPLES[style] ?? "━", colour: () => color, text, series };
  }

  private histogram(pane: number): Part {
    const { buy, sell } = this.palette;
    return {
      sample: "▮",
      series: this.chart.addSeries(HistogramSeries, { priceLineVisible: false, lastValueVisible: false }, pane),
      colour: (value) => faint(value >= 0 ? buy : sell, HISTOGRAM_COVER),
      text: this.options.text,
    };
  }
}
