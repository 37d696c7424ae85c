// What a series of samples says: exact, for people rely on it. Cash comes into an account of paper when it is opened, before the
// first sample, so that what equity changes by is profit or loss.

import { api, take } from "../../api/client";
import type { EquityPoint, Resolution } from "../../api/reports";
import { add, compare, divide, multiply, sign, subtract } from "../../format/number";
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

type Worth = Pick<EquityPoint, "at" | "equity">;

export interface Drawdown {
  /** What was lost, and the per cent of the peak. */
  amount: string;
  percent: string;
  peak: Worth;
  trough: Worth;
}

export interface Performance {
  change: string;
  /** Per cent; nothing where the first equity is none. */
  returned: string | null;
  /** The deepest fall by its part of the peak; nothing where equity never fell. */
  drawdown: Drawdown | null;
}

/** Return and deepest fall, oldest sample first. */
export function performance(samples: readonly Worth[]): Performance | null {
  const first = samples[0];
  const last = samples.at(-1);
  if (!first || !last) return null;
  const change = subtract(last.equity, first.equity);
  const returned = sign(first.equity) > 0 ? divide(multiply(change, "100"), first.equity, 2) : null;
  let peak = first;
  let deepest: { lost: string; peak: Worth; trough: Worth } | null = null;
  for (const sample of samples) {
    if (compare(sample.equity, peak.equity) > 0) peak = sample;
    const lost = subtract(peak.equity, sample.equity);
    if (sign(lost) <= 0 || sign(peak.equity) <= 0) continue;
    // Parts of two peaks are compared without dividing, so that none is rounded.
    if (!deepest || compare(multiply(lost, deepest.peak.equity), multiply(deepest.lost, peak.equity)) > 0) {
      deepest = { lost, peak, trough: sample };
    }
  }
  const drawdown = deepest && {
    amount: deepest.lost,
    percent: divide(multiply(deepest.lost, "100"), deepest.peak.equity, 2) ?? "0",
    peak: deepest.peak,
    trough: deepest.trough,
  };
  return { change, returned, drawdown };
}

export interface Pixel {
  at: number;
  equity: number;
  /** Per cent below the highest until then; 0 or less. */
  drawdown: number;
}

/** The curve for drawing: a point at each step, for a sample is there only where something changed. The last point is the last
 * sample's own. */
export function curve(samples: readonly Worth[], step_ms: number): Pixel[] {
  const pixels: Pixel[] = [];
  let peak = Number.NEGATIVE_INFINITY;
  const put = (at: number, sample: Worth) => {
    const equity = Number(sample.equity);
    peak = Math.max(peak, equity);
    pixels.push({ at, equity, drawdown: peak > 0 ? Math.min(0, (equity / peak - 1) * 100) : 0 });
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
  resolution: Resolution;
}): Promise<EquityPoint[]> {
  return take(api.GET("/api/v1/portfolio/history", { params: { query } }));
}
