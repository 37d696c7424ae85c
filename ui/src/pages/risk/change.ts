// What changed, in the words of the panels beside it. The gateway tells a change as the engine says it, in one sentence.

import type { LimitsInForce, RiskEvent } from "../../api/reports";
import { words } from "../../components/figures";
import { isDecimal, show } from "../../format/number";
import { limitRows } from "./in-force";
import { limitText, type Names, whom } from "./say";

const MONEY = ["max_order_notional", "credit"];
const WHOLE = [
  "max_order_lots",
  "max_position_lots",
  "price_collar_bp",
  "max_open_orders",
  "messages_per_sec",
  "message_burst",
];
const UNITS: Record<string, string> = { m: "min", us: "µs" };

/** `max_order_notional 5000.00, credit 0.00, ...` as the panel of limits has it; nothing where one of those is not told. */
function limitsText(told: string): string | null {
  const given = told.split(", ").map((pair) => pair.split(" ") as [name: string, value?: string]);
  const values = Object.fromEntries(given);
  const isKnown = (name: string) =>
    MONEY.includes(name) ? isDecimal(values[name] ?? "") : Number.isSafeInteger(Number(values[name] ?? "none"));
  if (![...MONEY, ...WHOLE].every(isKnown)) return null;
  const read = (name: string) => [name, MONEY.includes(name) ? values[name] : Number(values[name])];
  const limits = Object.fromEntries([...MONEY, ...WHOLE].map(read)) as LimitsInForce;
  const others = given.filter(([name]) => !MONEY.includes(name) && !WHOLE.includes(name));
  return [
    ...limitRows(limits).map(({ name, limit }) => `${name} ${limit}`),
    `${show(String(limits.message_burst))} at once`,
    ...others.map((pair) => pair.join(" ")),
  ].join(", ");
}

/** `5m` is `5 min`. */
function spans(text: string): string {
  return text.replace(/\b(\d+)(h|m|s|ms|us|ns)\b/g, (_, count, unit) => `${count} ${UNITS[unit] ?? unit}`);
}

/** `500 bp, window 5m, from last, then stop_opening`: the limit with its unit, and the other terms. */
function termsText(control: string, told: string): string {
  const [value = "", ...terms] = told.split(", ");
  const [number = "", ...unit] = value.split(" ");
  const limit = limitText({ control, limit: isDecimal(number) ? number : spans(value) });
  const isBare = isDecimal(number) && limit === show(number);
  const plain = terms.map((term) =>
    spans(term)
      .replace(/^window /, "within ")
      .replace(/^(?:from|then) \w+/, (words) => words.replaceAll("_", " ")),
  );
  return [isBare ? [limit, ...unit].join(" ") : limit, ...plain].join(", ");
}

/** All of a change in one sentence. What is not understood is told as it is. */
export function changeText({ text, scope }: Pick<RiskEvent, "text" | "scope">, names: Names): string {
  const whose = (told: string) => (scope ? whom(scope, names) : told);
  const [, limits] = /^limits of \S+: (.+)$/.exec(text) ?? [];
  if (limits) return limitsText(limits) ?? text;
  const [, kill, state, mode] = /^the kill switch of (.+) is (engaged|released)(?: \((\w+)\))?$/.exec(text) ?? [];
  if (kill && state) {
    const effect = mode && (mode === "reduce_only" ? ", which may reduce" : ", which is blocked");
    return `Kill switch ${state} for ${whose(kill)}${effect ?? ""}`;
  }
  const [, gone, list = "", of] = /^(\w+)( \d+)? of (.+) is taken away$/.exec(text) ?? [];
  if (gone && of) return `${words(gone)}${list} of ${whose(of)} is taken away`;
  const [, set, whoseIs, terms] = /^(\w+) of (.+?) is (.+)$/.exec(text) ?? [];
  if (set && whoseIs && terms) return `${words(set)} of ${whose(whoseIs)} is ${termsText(set, terms)}`;
  const stopped = /^(\w+) stopped (.+) \((\w+)\): (\S+) met the limit (\S+)$/.exec(text);
  if (stopped) {
    const [, control = "", stands = "", action, value = "", limit = ""] = stopped;
    const met = `${limitText({ control, limit: value })} met the limit ${limitText({ control, limit })}`;
    return `${words(control)} stopped ${whose(stands)} (${words(action).toLowerCase()}): ${met}`;
  }
  const [, going, control] = /^(.+) goes on: (\w+) no longer stops it$/.exec(text) ?? [];
  if (going && control) return `${words(control)} no longer stops ${whose(going)}`;
  return text;
}
