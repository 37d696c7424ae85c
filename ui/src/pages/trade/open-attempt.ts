// The order of an account that was sent and is not yet known to be taken or refused. It is kept outside of all components, so that
// neither another symbol, nor another page, nor a new log-in forgets under which name it went out.

import { useSyncExternalStore } from "react";
import { Listeners } from "../../listeners";
import type { Attempt } from "./sending";

export interface OpenAttempt {
  attempt: Attempt;
  /** Why it is not known what became of it; `null` while its answer is awaited. */
  error: unknown;
}

const attempts = new Map<string, OpenAttempt>();
const listeners = new Listeners();

export function openAttempt(account: string): OpenAttempt | undefined {
  return attempts.get(account);
}

export function setOpenAttempt(account: string, next: OpenAttempt | null): void {
  if (next) attempts.set(account, next);
  else attempts.delete(account);
  listeners.tell();
}

export function useOpenAttempt(account: string | undefined): OpenAttempt | undefined {
  return useSyncExternalStore(listeners.subscribe, () => attempts.get(account ?? ""));
}
