// How a parent order is worked by children: what is typed, and what is sent of it.

import type { Schemas } from "../../api/client";
import { compare, isDecimal, multiply, round, sign } from "../../format/number";
import { instantOf } from "../../format/time";

export type Algorithm = Schemas["Algorithm"];
export type NewParent = Schemas["NewParent"];

export const ALGORITHMS: readonly (readonly [Algorithm, string])[] = [
  ["twap", "TWAP"],
  ["vwap", "VWAP"],
  ["pov", "POV"],
  ["iceberg", "Iceberg"],
];

export function isAlgorithm(name: string): name is Algorithm {
  return ALGORITHMS.some(([algorithm]) => algorithm === name);
}

export function nameOf(algorithm: Algorithm): string {
  return ALGORITHMS.find(([one]) => one === algorithm)?.[1] ?? algorithm;
}

export interface Work {
  /** Empty: it goes out as one order. */
  algorithm: "" | Algorithm;
  /** As fields for a local time have them. */
  startAt: string;
  endAt: string;
  /** Seconds between two children. */
  every: string;
  slice: string;
  /** Per cent of what is traded. */
  rate: string;
  curve: string;
}

export const NOT_WORKED: Work = {
  algorithm: "",
  startAt: "",
  endAt: "",
  every: "60",
  slice: "",
  rate: "",
  curve: "0",
};

/** Whether it follows a schedule, which needs an end. */
export function hasSchedule({ algorithm }: Work): boolean {
  return algorithm === "twap" || algorithm === "vwap";
}

/** Many times a text, as a whole number from `least` to `most`. */
function whole(text: string, times: string, least: string, most: string): number | null {
  if (!isDecimal(text)) return null;
  const value = multiply(text, times);
  const isWhole = compare(round(value, 0), value) === 0;
  return isWhole && compare(value, least) >= 0 && compare(value, most) <= 0 ? Number(value) : null;
}

/** A day: what comes less often is an order of its own. */
const LONGEST_MS = "86400000";

const intervalMs = ({ every }: Work) => whole(every, "1000", "100", LONGEST_MS);
const rateBp = ({ rate }: Work) => whole(rate, "100", "1", "10000");
const curveOf = ({ curve }: Work) => whole(curve, "1", "0", "4294967295");
const isSlice = ({ slice }: Work) => isDecimal(slice) && sign(slice) > 0;

/** The first thing of it that is still to be entered, in words. */
export function lacking(work: Work): string | null {
  if (hasSchedule(work)) {
    if (!work.endAt) return "when it ends";
    if (intervalMs(work) === null) return "the seconds between two orders, at least 0.1";
    if (work.algorithm === "vwap" && curveOf(work) === null) return "the number of a volume curve";
  }
  if (work.algorithm === "pov" && rateBp(work) === null) return "a share of the volume, 0.01 to 100 %";
  if (work.algorithm === "iceberg" && !isSlice(work)) return "the size of each slice";
  if (work.algorithm === "pov" && work.slice && !isSlice(work)) return "a least slice, or none";
  return null;
}

/** Its terms, without those that its algorithm does not have. Nothing must be lacking. */
export function termsOf(work: Work, algorithm: Algorithm): Omit<NewParent, "order"> {
  return {
    algorithm,
    ...(work.startAt ? { start_at: instantOf(work.startAt) } : {}),
    ...(work.endAt ? { end_at: instantOf(work.endAt) } : {}),
    ...(hasSchedule(work) ? { interval_ms: intervalMs(work) } : {}),
    ...(algorithm === "vwap" ? { curve: curveOf(work) } : {}),
    ...(algorithm === "pov" ? { rate_bp: rateBp(work) } : {}),
    ...(!hasSchedule(work) && work.slice ? { slice_qty: work.slice } : {}),
  };
}
