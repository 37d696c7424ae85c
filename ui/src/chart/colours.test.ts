import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { HISTOGRAM_COVER, LINE_COLOURS } from "./colours";

const tokens = readFileSync("src/styles/tokens.css", "utf8");

type Rgb = [number, number, number];

/** A token in both themes. */
function token(name: string): [light: Rgb, dark: Rgb] {
  const found = new RegExp(`--${name}: light-dark\\(#(\\w{6}), #(\\w{6})\\)`).exec(tokens);
  if (!found) throw new Error(`there is no --${name}`);
  const rgb = (hex = "") => [0, 2, 4].map((at) => Number.parseInt(hex.slice(at, at + 2), 16)) as Rgb;
  return [rgb(found[1]), rgb(found[2])];
}

/** Relative luminance and contrast, by WCAG 2.2. */
function luminance(colour: Rgb): number {
  const [r, g, b] = colour.map((part) => {
    const share = part / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  }) as Rgb;
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
function contrast(a: Rgb, b: Rgb): number {
  const [light, dark] = [luminance(a), luminance(b)].sort((x, y) => y - x) as [number, number];
  return (light + 0.05) / (dark + 0.05);
}
const over = (colour: Rgb, ground: Rgb) =>
  colour.map((part, at) => part * HISTOGRAM_COVER + (ground[at] ?? 0) * (1 - HISTOGRAM_COVER)) as Rgb;

const THEMES = [
  ["light", 0],
  ["dark", 1],
] as const;

test.each(THEMES)("each line is seen on the panel, %s", (_, theme) => {
  const panel = token("panel")[theme];
  for (const name of Object.values(LINE_COLOURS)) {
    expect(contrast(token(name)[theme], panel), name).toBeGreaterThanOrEqual(3);
  }
  for (const name of ["buy", "sell"]) {
    expect(contrast(over(token(name)[theme], panel), panel), name).toBeGreaterThanOrEqual(3);
  }
});

test.each(THEMES)("no line among candles looks like another or like a candle, %s", (_, theme) => {
  const { sma, ema, vwap, bollinger } = LINE_COLOURS;
  const all = [sma, ema, vwap, bollinger, "buy", "sell"].map((name) => [name, token(name)[theme]] as const);
  for (const [index, [name, colour]] of all.entries()) {
    for (const [other, beside] of all.slice(index + 1)) {
      const apart = Math.hypot(...colour.map((part, at) => part - (beside[at] ?? 0)));
      expect(apart, `${name} and ${other}`).toBeGreaterThan(60);
    }
  }
});
