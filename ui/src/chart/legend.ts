// The legend: the bar under the pointer, and each indicator there. It is written sixty times a second, so React has no part in it.

import { percentOf, show, showSigned, sign, subtract } from "../format/number";
import { type PriceTerms, priceText } from "../format/price";
import { barTime } from "../format/time";
import type { Candle } from "./indicators";
import type { Reading } from "./studies";

/** More digits than any price has. */
const exact = (value: number) => value.toFixed(9);

/** How many per cent a bar's close is from the one before; the first bar's is from its own open. */
export function changeOf(one: Candle, before: Candle | undefined): string | null {
  const from = exact(before?.close ?? one.open);
  return percentOf(subtract(exact(one.close), from), from);
}

function span(className: string, text: string, title?: string): HTMLSpanElement {
  const made = document.createElement("span");
  made.className = className;
  made.textContent = text;
  if (title) made.prepend(`${title}\u00a0`);
  return made;
}

/** The bar in one line, the indicators in the next: what one of them gains in width does not move the other. */
export function fillLegend(
  into: HTMLElement,
  terms: PriceTerms,
  isDays: boolean,
  one: Candle | undefined,
  before: Candle | undefined,
  readings: Reading[],
): void {
  const bar = document.createElement("div");
  if (one) {
    const price = (value: number) => show(priceText(terms, exact(value)));
    const change = changeOf(one, before);
    const way = change === null ? "" : ["sell", "", "buy"][sign(change) + 1];
    // The prices first: where it is narrow, what comes last is on another line.
    bar.append(
      span("", price(one.open), "O"),
      span("", price(one.high), "H"),
      span("", price(one.low), "L"),
      span("", price(one.close), "C"),
      span(`chart-change ${way}`, change === null ? "–" : `${showSigned(change, 2)}\u00a0%`),
      span("chart-volume", show(String(one.volume)), "V"),
      span("", barTime(one.time * 1000, isDays)),
    );
  }
  const lines = document.createElement("div");
  for (const { title, parts } of readings) {
    const line = span("chart-reading", "", title);
    for (const { colour, sample, text } of parts) {
      const value = span("", show(text));
      const look = span("", `${sample}\u00a0`);
      look.style.color = colour;
      look.ariaHidden = "true";
      value.prepend(look);
      line.append(value);
    }
    lines.append(line);
  }
  into.replaceChildren(bar, lines);
}
