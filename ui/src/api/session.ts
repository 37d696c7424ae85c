// Who is signed in. The access token lives in memory; the refresh token in the browser's storage, so that a reload and other tabs
// find it. A refresh token is good once: tabs take turns, for one that is spent twice ends the session everywhere.

import { ApiError, errorOf } from "./error";

const KEY = "tidegate.session";
/** Whether the last session of this tab was ended by the gateway, over a reload. */
const ENDED = "tidegate.ended";
/** An access token is renewed this long before it ends. */
const EARLY_MS = 60_000;

export interface TokenPair {
  access_token: string;
  expires_in: number;
  refresh_token: string;
  user: string;
}

export interface SessionState {
  /** `starting` until it is known whether an earlier session goes on. */
  status: "starting" | "out" | "in";
  user: string | null;
  /** The gateway ended the session: it lapsed, was ended elsewhere, or the user was shut out. */
  ended?: boolean;
}

let state: SessionState = { status: "starting", user: null };
let access: { token: string; until: number } | null = null;
let renewing: Promise<string | null> | null = null;
let timer: ReturnType<typeof setTimeout> | undefined;
const listeners = new Set<() => void>();

function set(next: SessionState): void {
  const isSame = next.status === state.status && next.user === state.user && next.ended === state.ended;
  if (isSame) return;
  state = next;
  for (const listener of listeners) listener();
}

export function subscribeSession(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function sessionState(): SessionState {
  return state;
}

function stored(): string | null {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}

function store(token: string | null): void {
  try {
    if (token) localStorage.setItem(KEY, token);
    else localStorage.removeItem(KEY);
  } catch {
    // Without storage the session ends with the page.
  }
}

function storeEnded(ended: boolean): void {
  try {
    if (ended) sessionStorage.setItem(ENDED, "1");
    else sessionStorage.removeItem(ENDED);
  } catch {
    // Then a reload forgets it.
  }
}

function storedEnded(): boolean {
  try {
    return sessionStorage.getItem(ENDED) !== null;
  } catch {
    return false;
  }
}

/** Takes the tokens of a log-in. */
export function signIn(pair: TokenPair): void {
  store(pair.refresh_token);
  keep(pair);
}

function keep(pair: TokenPair): void {
  const life = pair.expires_in * 1000;
  access = { token: pair.access_token, until: Date.now() + life };
  clearTimeout(timer);
  // A socket ends with its token: it is renewed though nothing is asked.
  timer = setTimeout(() => void renew(), Math.max(life - EARLY_MS, life / 2));
  storeEnded(false);
  set({ status: "in", user: pair.user });
}

/** Forgets the session here, without asking the gateway. */
export function forget(ended = false): void {
  store(null);
  storeEnded(ended);
  access = null;
  clearTimeout(timer);
  set({ status: "out", user: null, ended });
}

/** Ends the session at the gateway, then here. */
export async function signOut(): Promise<void> {
  const token = await accessToken();
  if (token) {
    const headers = { Authorization: `Bearer ${token}` };
    await fetch("/api/v1/auth/logout", { method: "POST", headers }).catch(() => undefined);
  }
  forget();
}

/** A token that is good now; `null` for strangers. Throws where the gateway cannot be asked. */
export async function accessToken(): Promise<string | null> {
  if (access && access.until - EARLY_MS / 2 > Date.now()) return access.token;
  return renew();
}

/** The next pair of tokens, by the refresh token. One asks at a time, in all tabs. */
export function renew(): Promise<string | null> {
  renewing ??= inTurn(refresh).finally(() => {
    renewing = null;
  });
  return renewing;
}

async function inTurn<T>(act: () => Promise<T>): Promise<T> {
  // Locks need a secure context; a page over plain HTTP from another machine has none.
  return navigator.locks ? await navigator.locks.request(KEY, act) : act();
}

async function refresh(): Promise<string | null> {
  // Read under the lock: another tab may have spent the one before.
  const token = stored();
  if (!token) {
    forget(storedEnded());
    return null;
  }
  let response: Response;
  try {
    response = await fetch("/api/v1/auth/refresh", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ refresh_token: token }),
    });
  } catch {
    throw new ApiError("unreachable", "The gateway does not answer.");
  }
  const body = await response.json().catch(() => null);
  if (response.ok) {
    const pair = (body as { data: TokenPair }).data;
    store(pair.refresh_token);
    keep(pair);
    return pair.access_token;
  }
  if (response.status === 401 || response.status === 403) {
    forget(true);
    return null;
  }
  throw errorOf(body, response.status);
}

// Another tab signed in or out.
globalThis.addEventListener?.("storage", (event) => {
  if (event.key !== KEY) return;
  if (event.newValue === null) forget();
  else if (state.status === "out") void renew().catch(() => undefined);
});

/** Takes up the session of an earlier visit, if there is one. */
export async function start(): Promise<void> {
  if (!stored()) return forget(storedEnded());
  await renew().catch(() => {
    // Not reachable: whoever was signed in stays so, and requests say what is wrong.
    set({ status: "in", user: null });
  });
}
