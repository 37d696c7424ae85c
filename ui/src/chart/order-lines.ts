// Own orders and the position as lines across the chart: drawn where the gateway says that they are, taken by a pointer or by keys, and
// dropped at another price.

import { type IChartApi, type IPriceLine, type ISeriesApi, LineStyle } from "lightweight-charts";
import { compare } from "../format/number";
import { briefly } from "../format/price";
import type { Colours } from "./colours";
import { dragged, lineAt, type PriceMark, REACH } from "./lines";

export interface LineOptions {
  /** The price that a line is dropped at. */
  snap: (price: number) => string;
  /** A price so many steps up, or down if below 0. */
  step: (price: string, steps: number) => string;
  onDrop: (id: string, price: string) => void;
  /** What keys have done to a line, for those who do not see it. */
  onSay: (text: string) => void;
}

/** A line that was taken, and where it is now. */
interface Taken {
  mark: PriceMark;
  price: string;
  /** Where the pointer took it; `null`: keys did. */
  fromY: number | null;
}

/** What is drawn beside a price that keys move out of sight, in parts of the prices that are seen. */
const MARGIN = 0.1;

export class OrderLines {
  private readonly lines = new Map<string, IPriceLine>();
  private marks: readonly PriceMark[] = [];
  private taken: Taken | null = null;
  /** The scale showed other prices than it would by itself, so that a line that keys took is seen. */
  private isStretched = false;

  constructor(
    private readonly container: HTMLElement,
    private readonly chart: IChartApi,
    private readonly series: ISeriesApi<"Candlestick">,
    private readonly options: LineOptions,
    private palette: Colours,
  ) {
    // Before the chart's own listeners, which would scroll.
    container.addEventListener("pointerdown", this.onDown, { capture: true });
    container.addEventListener("pointermove", this.onMove);
    container.addEventListener("pointerup", this.onUp);
    container.addEventListener("pointercancel", this.onCancel);
  }

  dispose(): void {
    this.container.removeEventListener("pointerdown", this.onDown, { capture: true });
    this.container.removeEventListener("pointermove", this.onMove);
    this.container.removeEventListener("pointerup", this.onUp);
    this.container.removeEventListener("pointercancel", this.onCancel);
  }

  paint(palette: Colours): void {
    this.palette = palette;
    this.draw();
  }

  setMarks(marks: readonly PriceMark[]): void {
    this.marks = marks;
    const { taken } = this;
    const now = taken && marks.find((mark) => mark.id === taken.mark.id && mark.moves);
    if (taken && !now) {
      if (taken.fromY === null) this.options.onSay(`${taken.mark.title} no longer works`);
      this.end();
    } else if (taken && now && !hasMoved(taken)) {
      this.taken = { ...taken, mark: now, price: now.price };
    }
    this.draw();
  }

  /** Takes the next line below the one that is taken, or above it; from the last on the first again. */
  takeNext(way: 1 | -1): void {
    const lines = this.marks.filter((mark) => mark.moves).sort((a, b) => compare(b.price, a.price));
    const before = lines.findIndex((mark) => mark.id === this.taken?.mark.id);
    this.end();
    const mark = lines.at(before < 0 && way < 0 ? -1 : (before + way) % lines.length);
    if (!mark) {
      this.options.onSay("No order of yours can be moved here");
      return;
    }
    this.taken = { mark, price: mark.price, fromY: null };
    this.showTaken();
    this.options.onSay(`${mark.title} at ${briefly(mark.price)}, ${mark.term}`);
  }

  /** Moves the line that keys took; false if there is none. */
  moveTaken(steps: number): boolean {
    if (this.taken?.fromY !== null) return false;
    this.taken.price = this.options.step(this.taken.price, steps);
    this.showTaken();
    this.options.onSay(briefly(this.taken.price));
    return true;
  }

  /** Drops the line that keys took where it is; false if there is none. */
  dropTaken(): boolean {
    if (this.taken?.fromY !== null) return false;
    if (hasMoved(this.taken)) this.drop();
    return true;
  }

  /** Leaves the line that keys took where the gateway says that it is; false if there is none. */
  putBack(): boolean {
    if (this.taken?.fromY !== null) return false;
    const { mark } = this.taken;
    this.end();
    this.options.onSay(`${mark.title} put back`);
    return true;
  }

  private draw(): void {
    const kept = new Set(this.marks.map((mark) => mark.id));
    for (const [id, line] of this.lines) {
      if (kept.has(id)) continue;
      this.series.removePriceLine(line);
      this.lines.delete(id);
    }
    for (const mark of this.marks) {
      const isTaken = this.taken?.mark.id === mark.id;
      const isPosition = mark.kind === "long" || mark.kind === "short";
      const { buy, sell } = this.palette;
      const colour = mark.kind === "buy" || mark.kind === "long" ? buy : sell;
      const options = {
        price: Number(isTaken && this.taken ? this.taken.price : mark.price),
        color: colour,
        axisLabelColor: colour,
        axisLabelTextColor: this.palette.panel,
        lineWidth: isTaken ? (3 as const) : (1 as const),
        lineStyle: isPosition ? LineStyle.Dotted : LineStyle.Solid,
        title: mark.term === "stop" ? `${mark.title} stop` : mark.title,
      };
      const line = this.lines.get(mark.id);
      if (line) line.applyOptions(options);
      else this.lines.set(mark.id, this.series.createPriceLine(options));
    }
  }

  /** What is moved without being seen would be moved too far. */
  private showTaken(): void {
    this.draw();
    const scale = this.series.priceScale();
    const seen = scale.getVisibleRange();
    const price = Number(this.taken?.price);
    if (!seen || (price > seen.from && price < seen.to)) return;
    const [from, to] = [Math.min(seen.from, price), Math.max(seen.to, price)];
    const margin = (to - from) * MARGIN;
    this.isStretched ||= scale.options().autoScale;
    scale.setVisibleRange(price === to ? { from, to: to + margin } : { from: from - margin, to });
  }

  private readonly toY = (price: number): number | null => this.series.priceToCoordinate(price);

  private y(event: PointerEvent): number {
    return event.clientY - this.container.getBoundingClientRect().top;
  }

  private under(event: PointerEvent): PriceMark | undefined {
    return lineAt(this.marks, this.y(event), this.toY, event.pointerType === "touch" ? REACH.touch : REACH.mouse);
  }

  private readonly onDown = (event: PointerEvent): void => {
    const mark = event.button === 0 ? this.under(event) : undefined;
    if (!mark) return;
    this.end();
    this.taken = { mark, price: mark.price, fromY: this.y(event) };
    this.chart.applyOptions({ handleScroll: false, handleScale: false });
    this.container.setPointerCapture(event.pointerId);
  };

  private readonly onMove = (event: PointerEvent): void => {
    const { taken } = this;
    if (!taken || taken.fromY === null) {
      this.container.style.cursor = this.under(event) ? "ns-resize" : "";
      return;
    }
    const scale = { toY: this.toY, toPrice: (y: number) => this.series.coordinateToPrice(y) };
    const price = dragged(taken.mark, taken.fromY, this.y(event), scale);
    if (price === null || price <= 0) return;
    taken.price = this.options.snap(price);
    this.draw();
  };

  private readonly onUp = (): void => {
    if (this.taken && this.taken.fromY !== null) this.drop();
  };

  private readonly onCancel = (): void => {
    if (this.taken && this.taken.fromY !== null) this.end();
  };

  private drop(): void {
    const { taken } = this;
    this.end();
    if (taken && hasMoved(taken)) this.options.onDrop(taken.mark.id, taken.price);
  }

  /** The line goes back to where the gateway says that it is. */
  private end(): void {
    if (!this.taken) return;
    this.taken = null;
    this.chart.applyOptions({ handleScroll: true, handleScale: true });
    if (this.isStretched) this.series.priceScale().setAutoScale(true);
    this.isStretched = false;
    this.draw();
  }
}

function hasMoved({ mark, price }: Taken): boolean {
  return compare(price, mark.price) !== 0;
}
