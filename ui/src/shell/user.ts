// Who looks, through which account, at which symbol.

import { useQuery } from "@tanstack/react-query";
import { useSyncExternalStore } from "react";
import { api, type Schemas, take } from "../api/client";
import { type SessionState, sessionState, subscribeSession } from "../api/session";

export type Permission = Schemas["Permission"];

export function useSession(): SessionState {
  return useSyncExternalStore(subscribeSession, sessionState);
}

/** The user's profile; nothing for strangers. */
export function useMe() {
  const { status, user } = useSession();
  return useQuery({
    queryKey: ["me", user],
    queryFn: () => take(api.GET("/api/v1/users/me")),
    enabled: status === "in",
    staleTime: 60_000,
  });
}

/** Whether the user may do something. */
export function useMay(permission: Permission): boolean {
  return useMe().data?.permissions.includes(permission) ?? false;
}

/** One's own accounts. */
export function useAccounts() {
  const { status, user } = useSession();
  return useQuery({
    queryKey: ["accounts", user],
    queryFn: () => take(api.GET("/api/v1/accounts")),
    enabled: status === "in",
    // One that was asked for is `opening` until the engine has it.
    refetchInterval: (query) => query.state.data?.some((one) => one.status === "opening") && 1_000,
  });
}

/** What can be traded. */
export function useInstruments() {
  return useQuery({
    queryKey: ["instruments"],
    queryFn: () => take(api.GET("/api/v1/instruments", { params: { query: { limit: 200 } } })),
    staleTime: 30_000,
  });
}

export type Instrument = Schemas["InstrumentReport"];

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
  const listeners = new Set<() => void>();
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
      for (const listener of listeners) listener();
    },
    subscribe(listener: () => void) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
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
