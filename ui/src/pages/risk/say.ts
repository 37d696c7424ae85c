// What the engine's risk tells, in sentences.

import type { Schemas } from "../../api/client";
import type { Control } from "../../api/reports";
import { words } from "../../components/figures";
import { duration, isDecimal, show } from "../../format/number";
import { dateTime } from "../../format/time";

export type About = Schemas["About"];
export type Scope = Schemas["Scope"];
export type Kill = Schemas["Kill"];
export type Mode = Schemas["KillMode"];
export type Proposal = Schemas["Proposal"];
export type Tripped = Schemas["Tripped"];

/** What accounts are called, by their UUID. */
export type Names = ReadonlyMap<string, string>;

/** An account told from others: most people call theirs `Paper`, and the gateway names no owner but by UUID. */
export function accountName({ id, name }: Pick<Schemas["AccountReport"], "id" | "name">): string {
  return `${name} (${id.slice(0, 8)})`;
}

/** Whom something is about: `account Paper (0192a3b4)`, `instrument TIDE`, `the firm`. */
export function whom(scope: About | Scope | null | undefined, names: Names): string {
  if (!scope) return "nobody named";
  if (scope.kind === "firm") return "the firm";
  if ("symbol" in scope && scope.symbol) return `${scope.kind} ${scope.symbol}`;
  if ("account" in scope && scope.account) {
    return `account ${names.get(scope.account) ?? scope.account.slice(0, 8)}`;
  }
  const number = "strategy" in scope ? scope.strategy : "number" in scope ? scope.number : null;
  return `${scope.kind} ${number ?? ""}`.trim();
}

/** The scope that a release or an engagement takes; nothing where the gateway takes none of that kind. */
export function scopeOf(about: About | null | undefined): Scope | null {
  if (about?.kind === "firm") return { kind: "firm" };
  if (about?.kind === "account" && about.account) return { kind: "account", account: about.account };
  if (about?.kind === "instrument" && about.symbol) return { kind: "instrument", symbol: about.symbol };
  if (about?.kind === "strategy" && about.number) return { kind: "strategy", strategy: about.number };
  return null;
}

/** Whether what is told of an engine's scope is this one. */
export function isAbout(about: About | null | undefined, scope: Scope): boolean {
  return JSON.stringify(scopeOf(about)) === JSON.stringify(scope);
}

/** Exactly what a kill switch does. */
export function effect(target: string, mode: Mode): string {
  const passes = mode === "reduce_only" ? "except orders that only reduce a position" : "without exception";
  return `Every open order of ${target} is canceled now, orders that wait for approval are withdrawn, and every new or replaced
    order is refused, ${passes}, until two persons release it. Cancels pass.`.replace(/\s+/g, " ");
}

const IN_BP = new Set(["price_collar", "window_collar", "concentration", "liquidation_distance", "volatility"]);
const SIDES: Record<string, string> = { "0": "none", "1": "buy only", "2": "sell only", "3": "both" };

/** A limit in what its control counts. */
export function limitText({ control, limit }: Pick<Control, "control" | "limit">): string {
  if (control === "reduce_only" || control === "cancel_on_disconnect") return "on";
  if (control === "sides") return SIDES[limit] ?? limit;
  if (!isDecimal(limit)) return limit;
  if (control === "stale_market") return duration(limit);
  if (control === "expires_at") return dateTime(Number(BigInt(limit) / 1_000_000n));
  if (control === "fat_finger") return `${show(limit)} ×`;
  return IN_BP.has(control) ? `${show(limit)} bp` : show(limit);
}

/** What a control counted, of its limit. */
export function countedText({ control, value, limit }: Pick<Tripped, "control" | "value" | "limit">): string {
  return `${limitText({ control, limit: value })} of ${limitText({ control, limit })}`;
}

const CHANGES: Record<string, string> = {
  pending: "waits for a second person",
  approved: "was approved and is done",
  refused: "was refused",
  lapsed: "has lapsed",
  withdrawn: "was taken back",
};

/** A message of the channels `risk` and `alerts` for people. */
export function announce(data: Record<string, unknown>, names: Names): string {
  if ("hash" in data) {
    const { number, status, summary } = data as unknown as Proposal;
    return `Proposal ${number} ${CHANGES[status ?? ""] ?? "changed"}: ${summary}`;
  }
  if ("engaged" in data) {
    const { engaged, scope, reason } = data as unknown as Kill;
    return `Kill switch ${engaged ? "engaged" : "released"} for ${whom(scope, names)}: ${reason}`;
  }
  if ("control" in data) {
    const tripped = data as unknown as Tripped;
    const what = `${words(tripped.control)} of ${whom(tripped.scope, names)}`;
    return tripped.stopped ? `${what} stopped it: ${countedText(tripped)}` : `${what} lets it go on`;
  }
  return "Limits were set";
}
