// Who is signed in. The access token lives in memory; the refresh token in the browser's storage, so that a reload and other tabs
// find it. A refresh token is good once: tabs take turns, for one that is spent twice ends the session everywhere.

import { Listeners } from "../listeners";
import { ApiError, errorOf } from "./error";

const KEY = "tidegate.session";
/** Whose session it is, so that other tabs see at once whether another user signed in. */
const USER = "tidegate.user";
/** Whether the last session of this tab was ended by the gateway, over a reload. */
const ENDED = "tidegate.ended";
/** An access token is renewed this long before it ends. */
const EARLY_MS = 60_000;
/** A request that takes longer is given up: all tabs wait for the one that renews. */
const TIMEOUT_MS = 10_000;

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
  /** It was another tab that signed this user in. */
  fromOtherTab?: boolean;
}

let state: SessionState = { status: "starting", user: null };
let access: { token: string; until: number } | null = null;
let renewing: Promise<string | null> | null = null;
let timer: ReturnType<typeof setTimeout> | undefined;
const listeners = new Listeners();
const tokenListeners = new Listeners();

function set(next: SessionState): void {
  const isSame = next.status === state.status && next.user === state.user && next.ended === state.ended;
  if (isSame) return;
  state = next;
  listeners.tell();
}

export const subscribeSession = listeners.subscribe;

/** Tells of each new access token: that of a log-in, and those of renewals, which change nothing else. */
export const subscribeToken = tokenListeners.subscribe;

export function sessionState(): SessionState {
  return state;
}

function stored(key = KEY): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

function store(pair: TokenPair | null): void {
  try {
    // The user first: other tabs hear of the token and read the user then.
    if (pair) {
      localStorage.setItem(USER, pair.user);
      localStorage.setItem(KEY, pair.refresh_token);
    } else {
      localStorage.removeItem(USER);
      localStorage.removeItem(KEY);
    }
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
  store(pair);
  keep(pair);
}

function keep(pair: TokenPair): void {
  const life = pair.expires_in * 1000;
  access = { token: pair.access_token, until: Date.now() + life };
  clearTimeout(timer);
  // A socket ends with its token: it is renewed though nothing is asked. Where that fails, the next request asks for it again.
  timer = setTimeout(() => void renew().catch(() => undefined), Math.max(life - EARLY_MS, life / 2));
  storeEnded(false);
  set({ status: "in", user: pair.user });
  tokenListeners.tell();
}

/** Forgets the session here, without asking the gateway. */
export function forget(ended = false): void {
  store(null);
  storeEnded(ended);
  access = null;
  clearTimeout(timer);
  set({ status: "out", user: null, ended });
}

/** Forgets the session here at once, then ends it at the gateway. Throws where that fails: there the session lives on. */
export async function signOut(): Promise<void> {
  const token = access && access.until > Date.now() ? access.token : null;
  const next = stored();
  forget();
  try {
    // A session that can no longer be renewed has ended.
    const last = token ?? (next && (await exchange(next))?.access_token);
    if (!last) return;
    const response = await post("logout", { headers: { Authorization: `Bearer ${last}` } });
    if (!response.ok && response.status !== 401) {
      throw errorOf(await response.json().catch(() => null), response.status);
    }
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(
      `You are signed out here, but the gateway could not be told: there the session lives on until it ends. ${why}`,
    );
  }
}

/** A token that is good now; `null` for strangers. Throws where the gateway cannot be asked. */
export async function accessToken(): Promise<string | null> {
  if (access && access.until - EARLY_MS / 2 > Date.now()) return access.token;
  return renew();
}

/** The next pair of tokens, by the refresh token. One asks at a time, in all tabs. */
export async function renew(): Promise<string | null> {
  const { user } = state;
  renewing ??= inTurn(refresh).finally(() => {
    renewing = null;
  });
  const token = await renewing;
  // What was begun as one user is not done as another.
  if (user && token && state.user !== user)
    throw new ApiError("unauthenticated", "Somebody else is signed in now.", {}, 401);
  return token;
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
  const pair = await exchange(token);
  // Meanwhile somebody signed out, or in: this answer is not about the session that is kept now.
  if (stored() !== token) return stored() ? refresh() : null;
  if (!pair) {
    forget(true);
    return null;
  }
  store(pair);
  // This tab may have slept while another user signed in in another.
  if (state.user && state.user !== pair.user) becomeOther(pair.user);
  keep(pair);
  return pair.access_token;
}

/** The next pair for a refresh token, which is spent by it; `null` if its session has ended. */
async function exchange(token: string): Promise<TokenPair | null> {
  const response = await post("refresh", {
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ refresh_token: token }),
  });
  const body = (await response.json().catch(() => null)) as { data?: TokenPair } | null;
  if (response.ok && body?.data) return body.data;
  if (response.status === 401 || response.status === 403) return null;
  throw errorOf(body, response.status);
}

async function post(path: string, init: RequestInit): Promise<Response> {
  try {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    return await fetch(`/api/v1/auth/${path}`, { ...init, method: "POST", signal });
  } catch {
    throw new ApiError("unreachable", "The gateway does not answer.");
  }
}

/** Another tab signed somebody in: nothing is asked as the user before from here on. */
function becomeOther(user: string): void {
  access = null;
  clearTimeout(timer);
  set({ status: "in", user, fromOtherTab: true });
}

// Another tab signed in or out, or renewed.
globalThis.addEventListener?.("storage", (event) => {
  // Without a key all of the storage was cleared.
  if (event.key !== KEY && event.key !== null) return;
  // What is kept now, not what the event says: a tab that slept hears later of who signed out before the one who is in.
  if (!stored()) return forget();
  const user = stored(USER);
  if (user && user !== state.user) becomeOther(user);
  // Who signed in is not known: the answer tells. Renewals of one's own session are taken up when a token is needed.
  else if (state.status !== "out") return;
  void renew().catch(() => undefined);
});

/** Takes up the session of an earlier visit, if there is one. */
export async function start(): Promise<void> {
  if (!stored()) return forget(storedEnded());
  await renew().catch(() => {
    // Not reachable: whoever was signed in stays so, and requests say what is wrong.
    set({ status: "in", user: null });
  });
}
