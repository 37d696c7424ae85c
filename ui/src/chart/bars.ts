// The bars of one symbol and resolution: the newest, those that ended, and the older ones that somebody comes near to. The chart's
// bars are all that there are from its first to its last: what may be missing among them is remembered until it was asked for.

import { api, take } from "../api/client";
import { millis } from "../format/time";
import type { Bar } from "../live/market";
import type { Resolution } from "./choice";
import type { Candle } from "./indicators";
import type { PriceChart } from "./price-chart";

/** Bars asked for, the most that one page has. */
export const PAGE = 1_000;
/** Bars that ended are asked for anew so long after it. Seconds end all the time. */
const SETTLE_MS = 500;
const SETTLE_SECONDS_MS = 5_000;
/** After an error older bars are not asked for again before so long. */
const AGAIN_MS = 10_000;

/** A bar for drawing. */
export function candle(bar: Bar): Candle {
  return {
    time: Math.floor(millis(bar.start) / 1000),
    open: Number(bar.open),
    high: Number(bar.high),
    low: Number(bar.low),
    close: Number(bar.close),
    volume: Number(bar.volume),
    vwap: Number(bar.vwap),
  };
}

/** Which bars, by when they begin, in seconds since the Unix epoch. */
interface Range {
  /** The first from then on; without, the newest. */
  from?: number;
  /** None from then on. */
  to?: number;
}

/** A page of bars, oldest first. */
export async function askBars(symbol: string, resolution: Resolution, range: Range, signal: AbortSignal) {
  const times = Object.entries(range).map(([name, time]) => [name, new Date(time * 1000).toISOString()]);
  const query = { resolution, limit: PAGE, ...Object.fromEntries(times) };
  const bars = await take(api.GET("/api/v1/history/{symbol}", { params: { path: { symbol }, query }, signal }));
  return bars.map(candle);
}

export class Bars {
  private readonly ended = new AbortController();
  private readonly settleMs: number;
  /** From this start on bars may be missing, or not be as they ended. */
  private unsure: number | undefined;
  /** Until that was asked for. */
  private due: ReturnType<typeof setTimeout> | undefined;
  private isAskingOlder = false;
  /** There are none before the first. */
  private hasFirst = false;
  private olderAfterMs = 0;

  constructor(
    readonly chart: PriceChart,
    private readonly symbol: string,
    private readonly resolution: Resolution,
  ) {
    this.settleMs = resolution === "1s" ? SETTLE_SECONDS_MS : SETTLE_MS;
  }

  /** Nothing that was asked for is drawn any more. */
  stop(): void {
    this.ended.abort();
    clearTimeout(this.due);
  }

  /** The newest page. */
  setNewest(page: readonly Candle[]): void {
    const first = page[0];
    if (!first || this.ended.signal.aborted) return;
    const sure = this.unsure ?? this.chart.newestTime;
    if (sure !== undefined && first.time > sure) {
      this.doubt(sure);
      return;
    }
    this.put(page);
    if (this.unsure !== undefined) this.doubt(this.unsure);
  }

  /** The newest bar as it is now. */
  update(now: Candle): void {
    const last = this.chart.newestTime;
    if (last !== undefined && now.time > last) this.doubt(last);
    this.chart.update(now);
  }

  /** Asks for the page before the first bar: one at a time, while there is room and until there are none. */
  async askOlder(): Promise<void> {
    const to = this.chart.oldestTime;
    if (to === undefined || this.hasFirst || this.isAskingOlder || !this.chart.hasRoom(PAGE)) return;
    if (performance.now() < this.olderAfterMs) return;
    this.isAskingOlder = true;
    const page = await this.ask({ to });
    this.isAskingOlder = false;
    if (!page) this.olderAfterMs = performance.now() + AGAIN_MS;
    // Bars were left out meanwhile: those of the page would not reach the first.
    if (!page || this.chart.oldestTime !== to) return;
    const older = page.filter((one) => one.time < to);
    if (older.length > 0) this.chart.merge(older);
    else this.hasFirst = true;
  }

  /** From that start on the bars are asked for, after a while. */
  private doubt(from: number, waitMs = this.settleMs): void {
    this.unsure = Math.min(this.unsure ?? from, from);
    this.due ??= setTimeout(() => void this.settle(), waitMs);
  }

  private async settle(): Promise<void> {
    const from = this.unsure;
    const page = from === undefined ? [] : ((await this.ask({ from })) ?? []);
    this.due = undefined;
    const [first, last] = [page[0], page.at(-1)];
    // What could not be asked for stays unsure: the next bar asks again.
    if (from === undefined || !first || !last) return;
    // The gateway no longer has all that came between, and the bars before would seem to end where these begin.
    const isCut = first.time > from;
    if (isCut) this.hasFirst = false;
    this.put(page, isCut ? Number.NEGATIVE_INFINITY : undefined);
    // Nor does it help to ask at once where nothing newer is known.
    if (last.time <= from) return;
    if (page.length === PAGE) this.doubt(last.time, 0);
    else if (this.unsure !== undefined) this.doubt(this.unsure);
  }

  /** Puts a page in its place that begins where bars are sure. */
  private put(page: readonly Candle[], since?: number): void {
    this.chart.merge(page, since);
    const last = page.at(-1)?.time ?? 0;
    // Told live while the page was on its way: between them there may have been others.
    this.unsure = (this.chart.newestTime ?? 0) > last ? last : undefined;
  }

  /** `undefined`: there was an error, or nobody waits for it any more. */
  private ask(range: Range): Promise<Candle[] | undefined> {
    const { signal } = this.ended;
    const page = askBars(this.symbol, this.resolution, range, signal).catch(() => undefined);
    return page.then((bars) => (signal.aborted ? undefined : bars));
  }
}
