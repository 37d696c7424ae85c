// Prices, quantities and money are exact decimal text, as the gateway tells them. What is shown is made of that text; floating
// point is for pixels only.

const MINUS = "−";

interface Decimal {
  negative: boolean;
  whole: string;
  fraction: string;
}

function parse(text: string): Decimal | null {
  const match = /^([+-]?)(\d+)(?:\.(\d*))?$/.exec(text.trim());
  if (!match) return null;
  return { negative: match[1] === "-", whole: match[2] ?? "0", fraction: match[3] ?? "" };
}

/** Whether a text is a decimal number. */
export function isDecimal(text: string): boolean {
  return parse(text) !== null;
}

/** An integer of so many digits after the point; digits beyond them are cut off. */
function scaled(text: string, digits: number): bigint {
  const decimal = parse(text);
  if (!decimal) return 0n;
  const value = BigInt(decimal.whole + decimal.fraction.slice(0, digits).padEnd(digits, "0"));
  return decimal.negative ? -value : value;
}

function unscaled(value: bigint, digits: number): string {
  const size = value < 0n ? -value : value;
  const text = size.toString().padStart(digits + 1, "0");
  const whole = text.slice(0, text.length - digits);
  const fraction = digits === 0 ? "" : `.${text.slice(-digits)}`;
  return `${value < 0n ? "-" : ""}${whole}${fraction}`;
}

function digitsOf(text: string): number {
  return parse(text)?.fraction.length ?? 0;
}

/** The exact sum. */
export function add(a: string, b: string): string {
  const digits = Math.max(digitsOf(a), digitsOf(b));
  return unscaled(scaled(a, digits) + scaled(b, digits), digits);
}

/** The exact difference. */
export function subtract(a: string, b: string): string {
  const digits = Math.max(digitsOf(a), digitsOf(b));
  return unscaled(scaled(a, digits) - scaled(b, digits), digits);
}

/** The exact product. */
export function multiply(a: string, b: string): string {
  const [left, right] = [digitsOf(a), digitsOf(b)];
  return unscaled(scaled(a, left) * scaled(b, right), left + right);
}

/** The quotient, rounded half up to so many digits after the point; nothing where `b` is 0. */
export function divide(a: string, b: string, digits: number): string | null {
  const common = Math.max(digitsOf(a), digitsOf(b));
  const [value, by] = [scaled(a, common), scaled(b, common)];
  return by === 0n ? null : round(unscaled((value * 10n ** BigInt(digits + 1)) / by, digits + 1), digits);
}

/** How many per cent of `whole` a part is, rounded half up to two digits; nothing where `whole` is 0. */
export function percentOf(part: string, whole: string): string | null {
  return divide(multiply("100", part), whole, 2);
}

/** Below 0, 0 or above 0, as `a` is below, at or above `b`. */
export function compare(a: string, b: string): number {
  const digits = Math.max(digitsOf(a), digitsOf(b));
  const difference = scaled(a, digits) - scaled(b, digits);
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}

/** Below 0, 0 or above 0. */
export function sign(text: string): number {
  return compare(text, "0");
}

/** The nearest multiple of `step` at or below (`down`) or above (`up`) a value. */
export function toStep(text: string, step: string, way: "down" | "up" | "nearest" = "nearest"): string {
  const digits = Math.max(digitsOf(text), digitsOf(step));
  const [value, unit] = [scaled(text, digits), scaled(step, digits)];
  if (unit <= 0n) return text;
  const rest = ((value % unit) + unit) % unit;
  const up = way === "up" ? rest > 0n : way === "nearest" && rest * 2n >= unit;
  return round(unscaled(value - rest + (up ? unit : 0n), digits), digitsOf(step));
}

/** With so many digits after the point, rounded half up; without them, as it is. */
export function round(text: string, digits: number): string {
  const decimal = parse(text);
  if (!decimal || decimal.fraction.length <= digits) return decimal ? unscaled(scaled(text, digits), digits) : text;
  const more = scaled(text, digits + 1);
  const size = more < 0n ? -more : more;
  const rounded = (size + 5n) / 10n;
  return unscaled(more < 0n ? -rounded : rounded, digits);
}

const grouped = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 });
const point = new Intl.NumberFormat(undefined, { minimumFractionDigits: 1 }).format(0.5).replace(/\d/g, "") || ".";

/** For people: grouped digits, a true minus, `digits` after the point if given. */
export function show(text: string | null | undefined, digits?: number): string {
  if (text === null || text === undefined || text === "") return "–";
  const decimal = parse(digits === undefined ? text : round(text, digits));
  if (!decimal) return text;
  const whole = grouped.format(BigInt(decimal.whole));
  const isZero = /^0*$/.test(decimal.whole + decimal.fraction);
  return `${decimal.negative && !isZero ? MINUS : ""}${whole}${decimal.fraction ? point + decimal.fraction : ""}`;
}

/** The same with its sign, for what is gained or lost. */
export function showSigned(text: string | null | undefined, digits?: number): string {
  const shown = show(text, digits);
  return text && isDecimal(text) && sign(digits === undefined ? text : round(text, digits)) > 0 ? `+${shown}` : shown;
}

/** Short, for places without room: 12.3K, 4.56M. Never for money that is owed. */
export function short(text: string | number): string {
  return new Intl.NumberFormat(undefined, { notation: "compact", maximumFractionDigits: 1 }).format(Number(text));
}

/** Nanoseconds for people: 950 ns, 12.4 µs, 3.1 ms. */
export function duration(ns: number | string): string {
  const value = Number(ns);
  for (const [unit, size] of [
    ["s", 1e9],
    ["ms", 1e6],
    ["µs", 1e3],
  ] as const) {
    if (value >= size) return `${(value / size).toFixed(value / size < 10 ? 2 : value / size < 100 ? 1 : 0)} ${unit}`;
  }
  return `${value} ns`;
}
