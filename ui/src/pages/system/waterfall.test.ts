import { describe, expect, it } from "vitest";
import { decades, place, rate, stepsOf, waterfall } from "./waterfall";

describe("waterfall", () => {
  it("begins each step where the one before ended, and fills the whole", () => {
    const { bars, total_ns } = waterfall([
      { name: "sequenced", ns: 1_000 },
      { name: "journaled", ns: 3_000 },
      { name: "released", ns: 0 },
      { name: "delivered", ns: 4_000 },
    ]);
    expect(total_ns).toBe(8_000);
    expect(bars.map((bar) => [bar.start, bar.width])).toEqual([
      [0, 0.125],
      [0.125, 0.375],
      [0.5, 0],
      [0.5, 0.5],
    ]);
  });

  it("leaves room where the whole is longer, and never leaves the picture", () => {
    expect(waterfall([{ name: "a", ns: 10 }], 40).bars[0]).toMatchObject({ start: 0, width: 0.25 });
    expect(waterfall([{ name: "a", ns: 40 }], 10).bars[0]).toMatchObject({ start: 0, width: 1 });
  });

  it("is flat where nothing took time, and empty of nothing", () => {
    expect(waterfall([{ name: "a", ns: 0 }]).bars[0]).toMatchObject({ start: 0, width: 0 });
    expect(waterfall([])).toEqual({ bars: [], total_ns: 0 });
  });
});

describe("stepsOf", () => {
  it("takes differences, and nothing below 0 of stamps that cross", () => {
    const stages = [
      { stage: "received", ns: 0 },
      { stage: "sequenced", ns: 500 },
      { stage: "released", ns: 900 },
      { stage: "published", ns: 800 },
      { stage: "delivered", ns: 1_500 },
    ];
    const steps = stepsOf(stages);
    expect(steps.map((step) => step.ns)).toEqual([500, 400, 0, 600]);
    expect(waterfall(steps).total_ns).toBe(1_500);
    expect(stepsOf([])).toEqual([]);
  });
});

describe("place", () => {
  it("is even by decades and keeps to its ends", () => {
    const axis = [1_000, 100_000_000] as const;
    expect(place(100_000, axis)).toBeCloseTo(0.4);
    expect(place(10, axis)).toBe(0);
    expect(place(0, axis)).toBe(0);
    expect(place(1e12, axis)).toBe(1);
    expect(decades(axis)).toEqual([1e3, 1e4, 1e5, 1e6, 1e7, 1e8]);
  });
});

describe("rate", () => {
  it("is the difference by time, and nothing where there is none", () => {
    const samples = [
      { at: 0, count: 100 },
      { at: 1_000, count: 150 },
      { at: 4_000, count: 300 },
    ];
    expect(rate(samples)).toBe(50);
    expect(rate(samples.slice(0, 1))).toBeNull();
    expect(rate([...samples, { at: 5_000, count: 3 }])).toBeNull();
  });
});
