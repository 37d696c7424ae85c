// The order of an account that was sent and is not yet known to be taken or refused. It is kept outside of all components, so that
// neither another symbol, nor another page, nor a new log-in forgets under which name it went out.

import { useSyncExternalStore } from "react";
import type { Attempt } from "./sending";

export interface OpenAttempt {
  attempt: Attempt;
  /** Why it is not known what became of it; `null` while its answer is awaited. */
  error: unknown;
}

const attempts = new Map<string, OpenAttempt>();
const listeners = new Set<() => void>();

export function openAttempt(account: string): OpenAttempt | undefined {
  return attempts.get(account);
}

export function setOpenAttempt(account: string, next: OpenAttempt | null): void {
  if (next) attempts.set(account, next);
  else attempts.delete(account);
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function useOpenAttempt(account: string | undefined): OpenAttempt | undefined {
  return useSyncExternalStore(subscribe, () => attempts.get(account ?? ""));
}
