// Orders as lines that can be dragged: which line is meant, and where it is dropped.

/** A price drawn across the chart. */
export interface PriceMark {
  id: string;
  price: string;
  title: string;
  /** Which price of an order it is; a position has none. */
  term?: "limit" | "stop";
  /** The side of an order, or of a position. */
  kind: "buy" | "sell" | "long" | "short";
  /** Whether it can be dragged. */
  moves: boolean;
}

/** How far from a line a pointer still means it, in pixels; a finger is less exact. */
export const REACH = { mouse: 5, touch: 14 };

/** The line that a pointer at `y` means: the nearest that can be dragged, within reach. */
export function lineAt(
  marks: readonly PriceMark[],
  y: number,
  toY: (price: number) => number | null,
  reach: number,
): PriceMark | undefined {
  let found: PriceMark | undefined;
  let least = reach;
  for (const mark of marks) {
    const at = mark.moves ? toY(Number(mark.price)) : null;
    if (at === null || Math.abs(at - y) > least) continue;
    found = mark;
    least = Math.abs(at - y);
  }
  return found;
}

/** Where a line is after a drag: it moves as far as the pointer did, so that it does not jump to it when it is taken. */
export function dragged(
  mark: PriceMark,
  fromY: number,
  toY: number,
  scale: { toY: (price: number) => number | null; toPrice: (y: number) => number | null },
): number | null {
  const at = scale.toY(Number(mark.price));
  return at === null ? null : scale.toPrice(at + toY - fromY);
}
