// Times in the user's zone, with the exchange's beside.

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

export function setZone(zone: string | undefined): void {
  try {
    own = zone && new Intl.DateTimeFormat(undefined, { timeZone: zone }).resolvedOptions().timeZone;
  } catch {
    // A browser need not know every zone; its own is as good as any.
    own = undefined;
  }
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

function format(options: Intl.DateTimeFormatOptions, zone = own): Intl.DateTimeFormat {
  const key = `${zone ?? ""}${JSON.stringify(options)}`;
  let found = formats.get(key);
  if (!found) {
    found = new Intl.DateTimeFormat(undefined, { ...options, hourCycle: "h23", ...(zone ? { timeZone: zone } : {}) });
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

/** How long ago: 3 s, 5 min, 2 h, 4 d. */
export function ago(at: Value, now: number = Date.now()): string {
  const seconds = Math.max(0, Math.round((now - date(at).getTime()) / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min`;
  return seconds < 86_400 ? `${Math.floor(seconds / 3_600)} h` : `${Math.floor(seconds / 86_400)} d`;
}
