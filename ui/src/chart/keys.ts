// The chart by keyboard, while it has the focus.

import type { KeyboardEvent } from "react";
import type { PriceChart } from "./price-chart";

export const CHART_KEYS = [
  ["← →", "Chart: through time, with Shift by a screen"],
  ["+ −", "Chart: fewer bars, more bars"],
  ["Home End", "Chart: the oldest bars, the newest"],
  ["o", "Chart: your next order, with Shift the one before"],
  ["↑ ↓", "Chart: that order's price by a tick, with Shift by ten"],
  ["Enter", "Chart: replace the order at that price"],
  ["Escape", "Chart: put the order back"],
] as const;

/** What arrows pan by, in screens. */
const PAN = 0.1;
/** A step of zoom. */
const ZOOM = 1.25;

/** Does what a key says; false if it says nothing to the chart. */
export function pressed({ key, shiftKey, repeat }: KeyboardEvent, chart: PriceChart): boolean {
  const { lines } = chart;
  switch (key) {
    case "ArrowLeft":
      chart.pan(shiftKey ? -1 : -PAN);
      return true;
    case "ArrowRight":
      chart.pan(shiftKey ? 1 : PAN);
      return true;
    // The same keys without Shift, on keyboards that have the signs above others.
    case "+":
    case "=":
      chart.zoom(1 / ZOOM);
      return true;
    case "-":
    case "_":
      chart.zoom(ZOOM);
      return true;
    case "Home":
      chart.showOldest();
      return true;
    case "End":
      chart.showNewest();
      return true;
    case "o":
    case "O":
      lines.takeNext(shiftKey ? -1 : 1);
      return true;
    case "ArrowUp":
      return lines.moveTaken(shiftKey ? 10 : 1);
    case "ArrowDown":
      return lines.moveTaken(shiftKey ? -10 : -1);
    case "Enter":
      // Enter that is held is one press.
      return repeat || lines.dropTaken();
    case "Escape":
      return lines.putBack();
    default:
      return false;
  }
}
