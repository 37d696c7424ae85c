// Where the bars of latency stand.

export interface Step {
  name: string;
  ns: number;
}

export interface Bar extends Step {
  /** Where it begins and how long it is, as parts of the whole; 0 to 1. */
  start: number;
  width: number;
}

/** Each step where the one before it ended. All of them together are as wide as `whole_ns`, or as they are. */
export function waterfall(steps: readonly Step[], whole_ns = 0): { bars: Bar[]; total_ns: number } {
  const total_ns = steps.reduce((sum, step) => sum + step.ns, 0);
  const whole = Math.max(whole_ns, total_ns);
  let before = 0;
  const bars = steps.map((step) => {
    const start = whole > 0 ? before / whole : 0;
    before += step.ns;
    return { ...step, start, width: whole > 0 ? step.ns / whole : 0 };
  });
  return { bars, total_ns };
}

/** What each step of a way took: a stage is told by when it was reached, which may be a little before the one before it, for they
 * are stamped by threads of their own. The first is where the way begins. */
export function stepsOf(stages: readonly { stage: string; ns: number }[]): Step[] {
  let reached = stages[0]?.ns ?? 0;
  return stages.slice(1).map(({ stage, ns }) => {
    const step = { name: stage, ns: Math.max(0, ns - reached) };
    reached = Math.max(reached, ns);
    return step;
  });
}

/** The place of a duration on a logarithmic axis, 0 to 1; what is beyond its ends stands at them. */
export function place(ns: number, [from, to]: readonly [number, number]): number {
  if (ns <= from) return 0;
  return Math.min(1, Math.log(ns / from) / Math.log(to / from));
}

/** Powers of ten of an axis, its ends among them. */
export function decades([from, to]: readonly [number, number]): number[] {
  const marks: number[] = [];
  for (let mark = from; mark <= to; mark *= 10) marks.push(mark);
  return marks;
}

export interface Counted {
  /** Milliseconds. */
  at: number;
  count: number;
}

/** How many a second, from the oldest sample to the newest; nothing of one, or after a restart that counts anew. */
export function rate(samples: readonly Counted[]): number | null {
  const [first, last] = [samples[0], samples.at(-1)];
  if (!first || !last || last.at <= first.at || last.count < first.count) return null;
  return ((last.count - first.count) * 1_000) / (last.at - first.at);
}
