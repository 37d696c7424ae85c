// The order of an account that was sent and is not yet known to be taken or refused. It is kept outside of all components and over a
// reload, so that neither another symbol, nor another page, nor a new log-in forgets under which name it went out. Who signs out, or
// another who signs in, ends that.

import { useSyncExternalStore } from "react";
import { sessionState, subscribeSession } from "../../api/session";
import { Listeners } from "../../listeners";
import { type Attempt, accountOf } from "./sending";

export interface OpenAttempt {
  attempt: Attempt;
  /** Why it is not known what became of it; `null` while its answer is awaited. */
  error: unknown;
}

/** Where they outlive a reload. Each tab has its own. */
const KEPT = "tidegate.attempts";

const attempts = new Map<string, OpenAttempt>();
/** Whose they are. */
let owner: string | null = null;
const listeners = new Listeners();

export function openAttempt(account: string): OpenAttempt | undefined {
  return attempts.get(account);
}

export function setOpenAttempt(account: string, next: OpenAttempt | null): void {
  if (next) attempts.set(account, next);
  else attempts.delete(account);
  keep();
  listeners.tell();
}

export function useOpenAttempt(account: string | undefined): OpenAttempt | undefined {
  return useSyncExternalStore(listeners.subscribe, () => attempts.get(account ?? ""));
}

function keep(): void {
  try {
    if (owner === null || attempts.size === 0) sessionStorage.removeItem(KEPT);
    else {
      const all = [...attempts.values()].map(({ attempt }) => attempt);
      sessionStorage.setItem(KEPT, JSON.stringify({ user: owner, attempts: all }));
    }
  } catch {
    // Without storage they end with the page.
  }
}

/** What was kept of a user. Whatever else stands there is no attempt. */
function kept(user: string): Attempt[] {
  try {
    const all = JSON.parse(sessionStorage.getItem(KEPT) ?? "null");
    return all?.user === user && Array.isArray(all.attempts) ? all.attempts.filter(isAttempt) : [];
  } catch {
    return [];
  }
}

function isAttempt(value: unknown): value is Attempt {
  const { key, body, authorization = "" } = Object(value);
  const orders: unknown[] = Array.isArray(body?.legs) ? body.legs : [body?.order ?? body];
  const isOrder = (order: unknown) => {
    const { account, symbol, side, qty, limit_price: limit, stop_price: stop } = Object(order);
    return [account, symbol, side, qty, limit ?? "", stop ?? ""].every((one) => typeof one === "string");
  };
  return typeof key === "string" && typeof authorization === "string" && orders.length > 0 && orders.every(isOrder);
}

/** A session that has ended by itself goes on with the next log-in of its user, and so does what that user sent. */
function follow(): void {
  const { status, user, ended } = sessionState();
  if (status === "out" && !ended) {
    owner = null;
    attempts.clear();
  } else if (status === "in" && user !== null && user !== owner) {
    if (owner !== null) attempts.clear();
    owner = user;
    const error = new Error("The page was loaded anew before its answer came.");
    for (const attempt of kept(user)) attempts.set(accountOf(attempt.body), { attempt, error });
  } else return;
  keep();
  listeners.tell();
}

subscribeSession(follow);
follow();
