import { describe, expect, it } from "vitest";
import { dragged, lineAt, type PriceMark } from "./lines";

// One pixel is 0.1; 100 is at 0.
const toY = (price: number) => (100 - price) * 10;
const toPrice = (y: number) => 100 - y / 10;
const mark = (id: string, price: string, moves = true): PriceMark => ({ id, price, moves, title: id, kind: "buy" });

describe("dragging lines", () => {
  const marks = [mark("a", "99"), mark("b", "98.5"), mark("position", "99.2", false)];

  it.each([
    [10, 5, "a"],
    [14, 5, "b"],
    [12, 5, "a"],
    [8, 1, undefined],
    [30, 14, undefined],
    [28, 14, "b"],
  ])("a pointer at %d within %d means %s", (y, reach, id) => {
    expect(lineAt(marks, y, toY, reach)?.id).toBe(id);
  });

  it("means nothing where the scale has no place yet", () => {
    expect(lineAt(marks, 10, () => null, 5)).toBeUndefined();
    expect(dragged(mark("a", "99"), 0, 1, { toY: () => null, toPrice })).toBeNull();
  });

  it("a line moves as far as the pointer, not to it", () => {
    expect(dragged(mark("a", "99"), 13, 23, { toY, toPrice })).toBeCloseTo(98);
    expect(dragged(mark("a", "99"), 13, 13, { toY, toPrice })).toBeCloseTo(99);
  });
});
