// Times in the user's zone, with the exchange's beside.

import { Listeners } from "../listeners";

const ZONES: Record<string, string> = {
  XNAS: "America/New_York",
  XNYS: "America/New_York",
  ARCX: "America/New_York",
  BATS: "America/New_York",
  IEXG: "America/New_York",
  XCME: "America/Chicago",
  XCBT: "America/Chicago",
  XCBO: "America/Chicago",
  XLON: "Europe/London",
  XETR: "Europe/Berlin",
  XFRA: "Europe/Berlin",
  XPAR: "Europe/Paris",
  XAMS: "Europe/Amsterdam",
  XSWX: "Europe/Zurich",
  XTKS: "Asia/Tokyo",
  XHKG: "Asia/Hong_Kong",
  XNSE: "Asia/Kolkata",
  XBOM: "Asia/Kolkata",
  XASX: "Australia/Sydney",
};

/** The zone of a venue, by its market identifier code (ISO 10383); UTC where it is not known. */
export function zoneOf(venue: string | undefined): string {
  return (venue && ZONES[venue]) || "UTC";
}

/** Zones of exchanges, for those who want to see the exchange's time. */
export const zones: readonly string[] = [...new Set(Object.values(ZONES))].sort();

/** The zone of all times that name no other; absent: the machine's. */
let own: string | undefined;
const listeners = new Listeners();

/** The user's zone. What is drawn by it follows `useZone` of `shell/user.ts`. */
export function userZone(): string | undefined {
  return own;
}

export const subscribeZone = listeners.subscribe;

export function setZone(zone: string | undefined): void {
  const before = own;
  try {
    own = zone && new Intl.DateTimeFormat(undefined, { timeZone: zone }).resolvedOptions().timeZone;
  } catch {
    // A browser need not know every zone; its own is as good as any.
    own = undefined;
  }
  if (own !== before) listeners.tell();
}

type Value = string | number;

/** The engine tells nanoseconds; a `Date` holds milliseconds. */
export function date(at: Value): Date {
  return new Date(typeof at === "number" ? at : at.replace(/(\.\d{3})\d+/, "$1"));
}

/** Milliseconds since the Unix epoch. */
export function millis(at: Value): number {
  return date(at).getTime();
}

const formats = new Map<string, Intl.DateTimeFormat>();

/** `language` is for what programs read; absent: the user's. */
function format(options: Intl.DateTimeFormatOptions, zone = own, language?: string): Intl.DateTimeFormat {
  const key = `${language ?? ""}${zone ?? ""}${JSON.stringify(options)}`;
  let found = formats.get(key);
  if (!found) {
    found = new Intl.DateTimeFormat(language, { ...options, hourCycle: "h23", ...(zone ? { timeZone: zone } : {}) });
    formats.set(key, found);
  }
  return found;
}

/** 14:03:07, in the user's zone or another. */
export function clock(at: Value, zone?: string): string {
  return format({ hour: "2-digit", minute: "2-digit", second: "2-digit" }, zone).format(date(at));
}

/** 14:03:07.123. */
export function clockMs(at: Value, zone?: string): string {
  return format(
    { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3 } as Intl.DateTimeFormatOptions,
    zone,
  ).format(date(at));
}

/** 23 Nov 2026, 14:03:07. */
export function dateTime(at: Value, zone?: string): string {
  return format({ dateStyle: "medium", timeStyle: "medium" }, zone).format(date(at));
}

/** 23 Nov 2026. */
export function day(at: Value, zone?: string): string {
  return format({ dateStyle: "medium" }, zone).format(date(at));
}

/** 23 Nov. */
export function shortDay(at: Value, zone?: string): string {
  return format({ day: "numeric", month: "short" }, zone).format(date(at));
}

/** The day of a time as fields of dates have it, `2026-11-23`, in the user's zone or another. */
export function dayOf(at: Value, zone?: string): string {
  return format({ year: "numeric", month: "2-digit", day: "2-digit" }, zone, "en-CA").format(date(at));
}

/** What a clock of a zone shows at a time, as milliseconds since the epoch had it stood in UTC. */
function wallMs(at: number, zone?: string): number {
  const whole = { year: "numeric", month: "numeric", day: "numeric" } as const;
  const clocked = { hour: "numeric", minute: "numeric", second: "numeric" } as const;
  const parts = format({ ...whole, ...clocked }, zone, "en-US").formatToParts(at);
  const part = (type: string) => Number(parts.find((one) => one.type === type)?.value);
  return Date.UTC(part("year"), part("month") - 1, part("day"), part("hour"), part("minute"), part("second"));
}

const DAY_MS = 86_400_000;

/**
 * The milliseconds since the epoch that a field `datetime-local` says, in the user's zone or another; `NaN` where it says none. Where
 * clocks are put back an hour comes twice, and its first is taken; where they are put forward an hour is left out, and a time in it
 * is as long after the change as it says: 02:30 is 03:30. Fields of JavaScript do the same in the machine's zone.
 */
export function fromLocalField(text: string, zone?: string): number {
  const wall = new Date(`${text}Z`).getTime();
  if (Number.isNaN(wall)) return wall;
  const offset = (at: number) => wallMs(at, zone) - at;
  // Zones do not change twice in two days.
  const [before, after] = [wall - offset(wall - DAY_MS), wall - offset(wall + DAY_MS)];
  return wallMs(before, zone) === wall || wallMs(after, zone) !== wall ? before : after;
}

/** What a field `datetime-local` says, for the API; RFC 3339. */
export function instantOf(text: string): string {
  return new Date(fromLocalField(text)).toISOString();
}

/** When a bar begins: 23 Nov 2026, 14:03:07. Bars of days are of days in UTC, whatever the user's zone. */
export function barTime(at: Value, isDays: boolean): string {
  return isDays ? day(at, "UTC") : dateTime(at);
}

export type TickPart = "year" | "month" | "day" | "minute" | "second";

/**
 * A mark on the axis of a chart, which begins a year, month, day, minute or second of UTC. Bars of days have their day in UTC. Others
 * have the user's, in which the border of a UTC day need not be one: the time is told with it there.
 */
export function tick(at: Value, part: TickPart, isDays: boolean): string {
  if (part === "second") return clock(at);
  if (part === "minute") return clock(at).slice(0, 5);
  const zone = isDays ? "UTC" : undefined;
  const time = clock(at, zone).slice(0, 5);
  if (time !== "00:00") return `${shortDay(at)} ${time}`;
  if (part === "year") return format({ year: "numeric" }, zone).format(date(at));
  if (part === "month") return format({ month: "short" }, zone).format(date(at));
  return shortDay(at, zone);
}

/** The short name of a zone at a time: CET, EDT. */
export function zoneName(zone?: string, at: Value = Date.now()): string {
  const parts = format({ timeZoneName: "short", hour: "2-digit" }, zone).formatToParts(date(at));
  return parts.find((part) => part.type === "timeZoneName")?.value ?? zone ?? "";
}

/** The user's clock with the exchange's beside it, where they differ. */
export function bothClocks(at: Value, venue: string | undefined): string {
  const zone = zoneOf(venue);
  const [own, theirs] = [clock(at), clock(at, zone)];
  return own === theirs ? own : `${own} · ${theirs} ${zoneName(zone, at)}`;
}

/** When something was, in little room: 14:03:07 of today, else 23 Nov. */
export function clockOrDay(at: Value): string {
  return dayOf(at) === dayOf(Date.now()) ? clock(at) : shortDay(at);
}

/** How long ago: 3 s, 5 min, 2 h, 4 d. */
export function ago(at: Value, now: number = Date.now()): string {
  const seconds = Math.max(0, Math.round((now - date(at).getTime()) / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min`;
  return seconds < 86_400 ? `${Math.floor(seconds / 3_600)} h` : `${Math.floor(seconds / 86_400)} d`;
}
