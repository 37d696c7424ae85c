// Kill switches that stop whatever the ticket would send.

import type { Schemas } from "../../api/client";
import { words } from "../../components/figures";
import type { Preview } from "./sending";

/**
 * Why nothing of an account and a symbol can be sent: a kill switch of the firm, the account or the symbol. One that lets orders pass
 * which reduce a position is left to the preview, which knows whether this one does.
 */
export function stoppedBy(
  kills: readonly Schemas["Kill"][],
  account: string | undefined,
  symbol: string,
  preview?: Preview,
): string | null {
  for (const { engaged, mode, scope, reason } of kills) {
    if (!engaged || mode === "reduce_only") continue;
    if (scope?.kind === "firm") return `The firm is stopped: ${reason}`;
    if (scope?.kind === "account" && account && scope.account === account) return `The account is stopped: ${reason}`;
    if (scope?.kind === "instrument" && scope.symbol === symbol) return `${symbol} is stopped: ${reason}`;
  }
  const verdicts = preview?.legs.flatMap((leg) => leg.controls ?? []) ?? [];
  const refusal = verdicts.find((one) => one.reason === "kill_switch" && !one.passes);
  return refusal ? (refusal.message ?? `${words(refusal.scope)} is stopped.`) : null;
}
