import { describe, expect, it } from "vitest";
import { toStep } from "./number";

describe("toStep", () => {
  it.each([
    ["100.0512", "0.01", "nearest", "100.05"],
    ["100.0551", "0.01", "nearest", "100.06"],
    ["100.0551", "0.01", "down", "100.05"],
    ["100.0501", "0.01", "up", "100.06"],
    ["100.07", "0.05", "nearest", "100.05"],
    ["7", "0.05", "up", "7.00"],
    ["-0.03", "0.05", "down", "-0.05"],
    ["101", "1", "nearest", "101"],
  ] as const)("%s by %s, %s, is %s", (text, step, way, expected) => {
    expect(toStep(text, step, way)).toBe(expected);
  });
});
