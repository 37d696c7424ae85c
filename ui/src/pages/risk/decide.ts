import type { Proposal } from "./say";

/** Characters of a name that the engine keeps. */
const NAME_LEN_MAX = 24;

/** What the engine calls a user: the address, as much of it as it keeps. */
export function engineName(email: string): string {
  return email.replace(/[^!-~]/g, "").slice(0, NAME_LEN_MAX);
}

export type MayDecide = "decide" | "take_back" | "nothing";

/** What somebody may do about a proposal: whoever asked may only take it back. The engine decides by the same rule. */
export function mayDecide(
  proposal: Proposal,
  me: { email: string; permissions: readonly string[] } | undefined,
  now: number,
): MayDecide {
  if (!me?.permissions.includes("risk:write")) return "nothing";
  if (proposal.status !== "pending" || new Date(proposal.lapses_at).getTime() <= now) return "nothing";
  return proposal.proposer_name === engineName(me.email) ? "take_back" : "decide";
}

/** What is left of a time: `23 h 59 min`, `4 min 05 s`. */
export function left(until: string, now: number): string {
  const seconds = Math.floor((new Date(until).getTime() - now) / 1_000);
  if (seconds <= 0) return "lapsed";
  const [hours, minutes] = [Math.floor(seconds / 3_600), Math.floor(seconds / 60) % 60];
  if (hours > 0) return `${hours} h ${String(minutes).padStart(2, "0")} min`;
  return `${minutes} min ${String(seconds % 60).padStart(2, "0")} s`;
}
