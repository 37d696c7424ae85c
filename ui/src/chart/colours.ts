// The chart draws on a canvas, which knows no CSS: the colours of the theme as they are now.

const NAMES = ["panel", "line", "text", "muted", "accent", "buy", "sell", "warn", "focus", "vwap"] as const;

type Name = (typeof NAMES)[number];
export type Colours = Record<Name, string>;

/** The colour of each line of an indicator: at least 3 : 1 on the panel, and among candles none like another or like a candle. */
export const LINE_COLOURS = {
  sma: "warn",
  ema: "focus",
  vwap: "vwap",
  bollinger: "muted",
  rsi: "accent",
  macd: "focus",
  signal: "warn",
} as const satisfies Record<string, Name>;

/** How much of its colour a bar of the histogram has: as much as 3 : 1 needs. */
export const HISTOGRAM_COVER = 0.7;

/** The tokens as the browser resolves them for an element. */
export function colours(element: HTMLElement): Colours {
  const probe = document.createElement("span");
  element.append(probe);
  const read = NAMES.map((name) => {
    probe.style.color = `var(--${name})`;
    return [name, getComputedStyle(probe).color];
  });
  probe.remove();
  return Object.fromEntries(read) as Colours;
}

/** A colour with less cover, 0 to 1. */
export function faint(colour: string, cover: number): string {
  return colour.replace(/^rgb\((.*)\)$/, (_, parts: string) => `rgba(${parts}, ${cover})`);
}

/** Calls when the theme changes, by the user's choice or the system's. */
export function onTheme(listener: () => void): () => void {
  const observer = new MutationObserver(listener);
  observer.observe(document.documentElement, { attributeFilter: ["data-theme"] });
  const system = matchMedia("(prefers-color-scheme: dark)");
  system.addEventListener("change", listener);
  return () => {
    observer.disconnect();
    system.removeEventListener("change", listener);
  };
}
