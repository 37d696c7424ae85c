// What a series of samples says: exact, for people rely on it. What is paid in or out changes equity, but is neither profit nor
// loss: those are told by realised and unrealised profit less fees.

import { api, take } from "../../api/client";
import type { EquityPoint, Resolution } from "../../api/reports";
import { add, compare, multiply, percentOf, sign, subtract } from "../../format/number";
import { date, dayOf } from "../../format/time";

export type Range = "1D" | "1W" | "1M" | "all";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
/** How far back the gateway keeps minutes and hours. */
const MINUTES_KEPT_MS = 2 * DAY_MS;
const HOURS_KEPT_MS = 90 * DAY_MS;
const SPAN_MS = { "1D": DAY_MS, "1W": 7 * DAY_MS, "1M": 30 * DAY_MS } as const;
export const STEP_MS: Record<Resolution, number> = { "1m": MINUTE_MS, "1h": HOUR_MS, "1d": DAY_MS };

/** From when on, and in which steps: the finest that reaches back so far, without more points than a screen has. */
export function span(range: Range, opened: number, now: number): { from: number; resolution: Resolution } {
  const from = range === "all" ? opened : Math.max(opened, now - SPAN_MS[range]);
  const length = now - from;
  return { from, resolution: length <= MINUTES_KEPT_MS ? "1m" : length <= HOURS_KEPT_MS ? "1h" : "1d" };
}

type Worth = Pick<EquityPoint, "at" | "equity" | "realised" | "unrealised" | "fees">;

/** Profit since the account opened. Dividends, what was paid for borrowing and conversions are no part of it. */
function profitOf({ realised, unrealised, fees }: Worth): string {
  return subtract(add(realised, unrealised), fees);
}

/** The samples of a range, beginning with how it stood at its start: as the last sample before says, for it changed no more until the
 * next. An account that has none before had made nothing yet. */
export function fromStart(samples: readonly Worth[], from: number): Worth[] {
  const within = samples.filter((sample) => date(sample.at).getTime() > from);
  const first = within[0];
  if (!first) return [];
  const at = new Date(from).toISOString();
  const before = samples.findLast((sample) => date(sample.at).getTime() <= from);
  const opened = { equity: subtract(first.equity, profitOf(first)), realised: "0", unrealised: "0", fees: "0" };
  return [{ ...(before ?? opened), at }, ...within];
}

/** What equity were if nothing had been paid in or out since the first sample. */
function undisturbed(first: Worth, sample: Worth): string {
  return add(first.equity, subtract(profitOf(sample), profitOf(first)));
}

export interface Drawdown {
  /** What was lost, and the per cent of the peak. */
  amount: string;
  percent: string;
  peak: Worth;
  trough: Worth;
}

export interface Performance {
  /** Profit. */
  change: string;
  /** Per cent of the first equity; nothing where that is none. */
  returned: string | null;
  /** The deepest fall by its part of the peak; nothing where there was no loss. */
  drawdown: Drawdown | null;
}

/** Profit, return and deepest fall, oldest sample first. */
export function performance(samples: readonly Worth[]): Performance | null {
  const first = samples[0];
  const last = samples.at(-1);
  if (!first || !last) return null;
  const change = subtract(profitOf(last), profitOf(first));
  const returned = sign(first.equity) > 0 ? percentOf(change, first.equity) : null;
  let peak = { sample: first, worth: first.equity };
  let deepest: { lost: string; peak: typeof peak; trough: Worth } | null = null;
  for (const sample of samples) {
    const worth = undisturbed(first, sample);
    if (compare(worth, peak.worth) > 0) peak = { sample, worth };
    const lost = subtract(peak.worth, worth);
    if (sign(lost) <= 0 || sign(peak.worth) <= 0) continue;
    // Parts of two peaks are compared without dividing, so that none is rounded.
    if (!deepest || compare(multiply(lost, deepest.peak.worth), multiply(deepest.lost, peak.worth)) > 0) {
      deepest = { lost, peak, trough: sample };
    }
  }
  const drawdown = deepest && {
    amount: deepest.lost,
    percent: percentOf(deepest.lost, deepest.peak.worth) ?? "0",
    peak: deepest.peak.sample,
    trough: deepest.trough,
  };
  return { change, returned, drawdown };
}

export interface Pixel {
  at: number;
  equity: number;
  /** Per cent lost since the highest until then; 0 or less. */
  drawdown: number;
}

/** The curve for drawing: a point at each step, for a sample is there only where something changed. The last point is the last
 * sample's own. */
export function curve(samples: readonly Worth[], step_ms: number): Pixel[] {
  const pixels: Pixel[] = [];
  let peak = Number.NEGATIVE_INFINITY;
  const put = (at: number, sample: Worth) => {
    const worth = Number(undisturbed(samples[0] ?? sample, sample));
    peak = Math.max(peak, worth);
    const drawdown = peak > 0 ? Math.min(0, (worth / peak - 1) * 100) : 0;
    pixels.push({ at, equity: Number(sample.equity), drawdown });
  };
  for (const [index, sample] of samples.entries()) {
    const at = date(sample.at).getTime();
    const next = samples[index + 1];
    const until = next ? date(next.at).getTime() : at;
    put(at, sample);
    for (let mark = at - (at % step_ms) + step_ms; mark < until - step_ms; mark += step_ms) put(mark, sample);
  }
  return pixels;
}

export interface Period {
  /** `2026-11-23`, or `2026-11`. */
  key: string;
  /** Before fees. */
  realised: string;
  fees: string;
  net: string;
}

export function monthOf(at: string | number, zone?: string): string {
  return dayOf(at, zone).slice(0, 7);
}

type Booked = Pick<EquityPoint, "at" | "realised" | "fees">;

/** Realised profit and loss by period, oldest first. Samples tell sums since the account opened: a period has what they grew by
 * between its borders. The first sample is of the minute in which the account began to trade, so that all of it is of its period. */
export function byPeriod(samples: readonly Booked[], periodOf: (at: string) => string): Period[] {
  const periods = new Map<string, Period>();
  let before = { realised: "0", fees: "0" };
  for (const sample of samples) {
    const key = periodOf(sample.at);
    const period = periods.get(key) ?? { key, realised: "0", fees: "0", net: "0" };
    period.realised = add(period.realised, subtract(sample.realised, before.realised));
    period.fees = add(period.fees, subtract(sample.fees, before.fees));
    period.net = subtract(period.realised, period.fees);
    periods.set(key, period);
    before = sample;
  }
  return [...periods.values()];
}

/** Days as far back as there are any, and hours for the last of them, whose borders are nearer to the user's midnight. */
export function joined<T extends { at: string }>(days: readonly T[], hours: readonly T[]): T[] {
  const first = hours[0];
  if (!first) return [...days];
  const from = date(first.at).getTime();
  return [...days.filter((sample) => date(sample.at).getTime() < from), ...hours];
}

/** The weeks of a month, Monday first: days of the month, and nothing for places beside it. */
export function weeks(month: string): (string | null)[][] {
  const [year = 0, number = 1] = month.split("-").map(Number);
  const lead = (new Date(Date.UTC(year, number - 1, 1)).getUTCDay() + 6) % 7;
  const days = new Date(Date.UTC(year, number, 0)).getUTCDate();
  const rows: (string | null)[][] = [];
  for (let start = 1 - lead; start <= days; start += 7) {
    rows.push(
      Array.from({ length: 7 }, (_, place) => {
        const day = start + place;
        return day >= 1 && day <= days ? `${month}-${String(day).padStart(2, "0")}` : null;
      }),
    );
  }
  return rows;
}

/** What an account was worth, oldest first. */
export function equityHistory(query: {
  account: string;
  from?: string;
  to?: string;
  resolution: Resolution;
}): Promise<EquityPoint[]> {
  return take(api.GET("/api/v1/portfolio/history", { params: { query } }));
}

/**
 * The samples of a range, and those before it that say how it began: as long a time before it, and where nothing changed in that, the
 * last of each day.
 */
export async function rangeHistory(account: string, opened: number, range: Range, now: number) {
  const { from, resolution } = span(range, opened, now);
  const earliest = new Date(Math.max(opened, from - (now - from))).toISOString();
  const points = await equityHistory({ account, from: earliest, resolution });
  const isBefore = (point: EquityPoint) => date(point.at).getTime() <= from;
  const known = new Set(points.filter(isBefore).map((point) => point.currency));
  if (from <= opened || points.every((point) => known.has(point.currency))) return { points, from, resolution };
  const days = await equityHistory({ account, to: new Date(from).toISOString(), resolution: "1d" });
  return { points: [...days.filter((day) => isBefore(day) && !known.has(day.currency)), ...points], from, resolution };
}
