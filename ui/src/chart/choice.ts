// What one chose for the chart, kept in the browser's storage.

import { type Indicator, NAMES, readSettings, type Settings } from "./settings";

export const RESOLUTIONS = [
  ["1s", "1s"],
  ["1m", "1m"],
  ["5m", "5m"],
  ["15m", "15m"],
  ["1h", "1h"],
  ["1d", "1d"],
] as const;
export type Resolution = (typeof RESOLUTIONS)[number][0];

export interface Choice {
  resolution: Resolution;
  indicators: Indicator[];
  settings: Settings;
}

const KEY = "tidegate.chart";

function stored(): Record<string, unknown> {
  try {
    const read: unknown = JSON.parse(localStorage.getItem(KEY) ?? "{}");
    return { ...(read as object) };
  } catch {
    return {};
  }
}

export function readChoice(): Choice {
  const { resolution, indicators, settings } = stored();
  const chosen: unknown[] = Array.isArray(indicators) ? indicators : [];
  return {
    resolution: RESOLUTIONS.find(([name]) => name === resolution)?.[0] ?? "1m",
    indicators: NAMES.filter((name) => chosen.includes(name)),
    settings: readSettings(settings),
  };
}

export function keepChoice(choice: Choice): void {
  try {
    localStorage.setItem(KEY, JSON.stringify(choice));
  } catch {
    // The choice lasts as long as the page.
  }
}
