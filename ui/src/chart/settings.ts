// The indicators that one can choose, and the numbers that each is made with.

export interface Param {
  label: string;
  /** The label where others are not beside it. */
  name: string;
  /** Until one chooses another. */
  normal: number;
  min: number;
  max: number;
  /** Digits after the point, at most. */
  decimals: number;
}

const LENGTH = { min: 1, max: 500, decimals: 0 };
const length = (normal: number): Param => ({ label: "Length", name: "Length", normal, ...LENGTH });
const lengthOf = (label: string, normal: number): Param => ({ label, name: `${label} length`, normal, ...LENGTH });
const width = (normal: number): Param => ({ label: "Width", name: "Width", normal, min: 0.1, max: 10, decimals: 1 });

const INDICATORS = {
  sma: { title: "SMA", params: { length: length(20) } },
  ema: { title: "EMA", params: { length: length(50) } },
  bollinger: { title: "Bollinger", params: { length: length(20), width: width(2) } },
  vwap: { title: "VWAP of the day", params: {} },
  rsi: { title: "RSI", params: { length: length(14) } },
  macd: {
    title: "MACD",
    params: { fast: lengthOf("Fast", 12), slow: lengthOf("Slow", 26), signal: lengthOf("Signal", 9) },
  },
} as const;

export type Indicator = keyof typeof INDICATORS;

/** The numbers of each indicator. */
export type Settings = { [Name in Indicator]: Record<keyof (typeof INDICATORS)[Name]["params"], number> };

/** In the order of the menu and of the legend. */
export const NAMES = Object.keys(INDICATORS) as Indicator[];

/** Of an indicator without its numbers. */
export function titleOf(name: Indicator): string {
  return INDICATORS[name].title;
}

/** What each number of an indicator is. */
export function paramsOf(name: Indicator): Record<string, Param> {
  return INDICATORS[name].params;
}

/** The title with the numbers: "MACD 12, 26, 9". */
export function fullTitleOf(name: Indicator, settings: Settings): string {
  return [titleOf(name), Object.values(settings[name]).join(", ")].filter(Boolean).join(" ");
}

function isAllowed({ min, max, decimals }: Param, value: unknown): value is number {
  return typeof value === "number" && value >= min && value <= max && Number(value.toFixed(decimals)) === value;
}

/** The number that somebody typed; `null` if it is none that the indicator can be made with. */
export function numberIn(text: string, param: Param): number | null {
  const value = text.trim() === "" ? null : Number(text);
  return isAllowed(param, value) ? value : null;
}

/** The numbers that a text may stand for, in words. */
export function boundsOf({ min, max, decimals }: Param): string {
  return decimals > 0 ? `${min} to ${max}, in tenths` : `${min} to ${max}, whole`;
}

/** A part of what was read from somewhere. An array has a `length` of its own, which is not that of an indicator. */
function part(of: unknown, key: string): unknown {
  return typeof of === "object" && of !== null && !Array.isArray(of) ? (of as Record<string, unknown>)[key] : undefined;
}

/** Reads what any version of the page, or somebody else, may have kept. */
export function readSettings(kept: unknown): Settings {
  const read = NAMES.map((name) => {
    const numbers = Object.entries(paramsOf(name)).map(([key, param]) => {
      const value = part(part(kept, name), key);
      return [key, isAllowed(param, value) ? value : param.normal];
    });
    return [name, Object.fromEntries(numbers)];
  });
  return Object.fromEntries(read) as Settings;
}

export const NORMAL: Settings = readSettings(undefined);
