// Who looks, through which account, at which symbol.

import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useSyncExternalStore } from "react";
import { api, page, type Schemas, take } from "../api/client";
import { type SessionState, sessionState, subscribeSession } from "../api/session";
import { subscribeZone, userZone } from "../format/time";
import { Listeners } from "../listeners";

export type Permission = Schemas["Permission"];

export function useSession(): SessionState {
  return useSyncExternalStore(subscribeSession, sessionState);
}

const STRANGE = "The gateway's answer cannot be read:";

/** The user's profile; nothing for strangers. */
export function useMe() {
  const { status, user } = useSession();
  return useQuery({
    queryKey: ["me", user],
    queryFn: async () => {
      const me = await take(api.GET("/api/v1/users/me"));
      // Header, banners and keys read it on whatever page: what cannot be read must not break them all.
      if (!Array.isArray(me.permissions)) throw new Error(`${STRANGE} who you are.`);
      return me;
    },
    enabled: status === "in",
    staleTime: 60_000,
  });
}

/** Whether the user may do something. */
export function useMay(permission: Permission): boolean {
  return useMe().data?.permissions.includes(permission) ?? false;
}

/** The user's zone; absent: the machine's. Who keeps what it made of times follows it. */
export function useZone(): string | undefined {
  return useSyncExternalStore(subscribeZone, userZone);
}

/** One's own accounts. */
export function useAccounts() {
  const { status, user } = useSession();
  return useQuery({
    queryKey: ["accounts", user],
    queryFn: async () => {
      const accounts = await take(api.GET("/api/v1/accounts"));
      if (!Array.isArray(accounts)) throw new Error(`${STRANGE} your accounts.`);
      return accounts;
    },
    enabled: status === "in",
    // One that was asked for is `opening` until the engine has it.
    refetchInterval: (query) => query.state.data?.some((one) => one.status === "opening") && 1_000,
  });
}

/** Everybody's accounts, page by page, for who sees those. */
export function useEverybodysAccounts(enabled = true) {
  return useInfiniteQuery({
    queryKey: ["everybody's accounts"],
    queryFn: ({ pageParam }) => {
      const query = { everybody: true, limit: ACCOUNTS, ...(pageParam ? { cursor: pageParam } : {}) };
      return page(api.GET("/api/v1/accounts", { params: { query } }));
    },
    initialPageParam: "",
    getNextPageParam: (last) => last.meta.next_cursor ?? undefined,
    enabled,
  });
}

export type Instrument = Schemas["InstrumentReport"];

/** Rows of a page, the most that one has. */
const INSTRUMENTS = 1_000;
const ACCOUNTS = 200;

/** All that can be traded. */
export function useInstruments() {
  return useQuery({
    queryKey: ["instruments"],
    queryFn: async () => {
      const all: Instrument[] = [];
      let cursor: string | null | undefined;
      do {
        const query = { limit: INSTRUMENTS, ...(cursor ? { cursor } : {}) };
        const { data, meta } = await page(api.GET("/api/v1/instruments", { params: { query } }));
        if (!Array.isArray(data)) throw new Error(`${STRANGE} the instruments.`);
        all.push(...data);
        cursor = meta.next_cursor;
      } while (cursor);
      return all;
    },
    staleTime: 30_000,
  });
}

export function useInstrument(symbol: string | undefined): Instrument | undefined {
  return useInstruments().data?.find((one) => one.symbol === symbol);
}

/** A choice that lasts on this machine. */
function choice(key: string) {
  let value: string | null = null;
  try {
    value = localStorage.getItem(key);
  } catch {
    // Storage may be refused; the choice lasts as long as the page.
  }
  const listeners = new Listeners();
  return {
    get: () => value,
    set(next: string | null) {
      value = next;
      try {
        if (next === null) localStorage.removeItem(key);
        else localStorage.setItem(key, next);
      } catch {
        // As above.
      }
      listeners.tell();
    },
    subscribe: listeners.subscribe,
  };
}

const account = choice("tidegate.account");
const symbol = choice("tidegate.symbol");
const theme = choice("theme");

export const chooseAccount = account.set;
export const chooseSymbol = symbol.set;

/** The account that is looked at: the one that was chosen here, else by preference, else the first that is open. */
export function useAccount() {
  const chosen = useSyncExternalStore(account.subscribe, account.get);
  const preferred = (useMe().data?.preferences as { account?: unknown } | undefined)?.account;
  const accounts = useAccounts().data;
  return (
    accounts?.find((one) => one.id === chosen) ??
    accounts?.find((one) => one.id === preferred) ??
    accounts?.find((one) => one.status === "open") ??
    accounts?.[0]
  );
}

/** The symbol that is looked at. */
export function useSymbol(): string | undefined {
  const chosen = useSyncExternalStore(symbol.subscribe, symbol.get);
  const instruments = useInstruments().data;
  if (chosen && (!instruments || instruments.some((one) => one.symbol === chosen))) return chosen;
  return instruments?.[0]?.symbol;
}

export type Theme = "system" | "light" | "dark";

export function useTheme(): [Theme, (theme: Theme) => void] {
  const chosen = useSyncExternalStore(theme.subscribe, theme.get);
  const set = (next: Theme) => {
    if (next === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = next;
    theme.set(next === "system" ? null : next);
  };
  return [chosen === "light" || chosen === "dark" ? chosen : "system", set];
}
