// What the page asks for, and what refreshes it.

import { useInfiniteQuery, useQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback, useMemo, useRef, useState } from "react";
import { api, page, type Schemas, take } from "../../api/client";
import type { LimitsInForce } from "../../api/reports";
import { RISK, useRiskMessages } from "../../live/risk";
import { useAccounts, useEverybodysAccounts, useMay } from "../../shell/user";
import { accountName, announce, type Names } from "./say";

/** Rows of history that are asked for at once. */
const EVENTS = 50;
/** What no message tells, such as limits that are used up, is asked for so often. */
const EVERY_MS = 10_000;

export function useControls() {
  return useQuery({ queryKey: [RISK, "controls"], queryFn: () => take(api.GET("/api/v1/risk/controls")) });
}

export function useLimits(account: string | undefined) {
  return useQuery({
    queryKey: [RISK, "limits", account],
    queryFn: async () => {
      const query = { params: { path: { id: account ?? "" } } };
      return (await take(api.GET("/api/v1/accounts/{id}/limits", query))) satisfies LimitsInForce | null | undefined;
    },
    enabled: !!account,
    refetchInterval: EVERY_MS,
  });
}

export function useProposals(isAll: boolean) {
  return useQuery({
    queryKey: [RISK, "proposals", isAll],
    queryFn: () => take(api.GET("/api/v1/risk/proposals", { params: { query: { include_decided: isAll } } })),
    enabled: useMay("risk:write"),
    refetchInterval: EVERY_MS,
  });
}

export function useRiskHistory() {
  return useInfiniteQuery({
    queryKey: [RISK, "history"],
    queryFn: ({ pageParam }) =>
      page(
        api.GET("/api/v1/risk/history", {
          params: { query: { limit: EVENTS, ...(pageParam ? { cursor: pageParam } : {}) } },
        }),
      ),
    initialPageParam: "",
    getNextPageParam: (last) => last.meta.next_cursor ?? undefined,
  });
}

export type Account = Schemas["AccountReport"];

/** Accounts that the user may stop or limit: everybody's in pages for who sees those, else one's own. One that is wanted is among
 * them, whatever page it is on. */
export function useSeenAccounts(wanted: string | null) {
  const seesAll = useMay("accounts:read_all");
  const own = useAccounts().data;
  const pages = useEverybodysAccounts(seesAll);
  const listed = useMemo(
    () => (seesAll ? pages.data?.pages.flatMap((one) => one.data) : own),
    [seesAll, pages.data, own],
  );
  const isListed = listed?.some((one) => one.id === wanted);
  const other = useQuery({
    queryKey: ["account", wanted],
    queryFn: () => take(api.GET("/api/v1/accounts/{id}", { params: { path: { id: wanted ?? "" } } })),
    enabled: wanted !== null && isListed === false,
  }).data;
  const accounts = useMemo(
    (): Account[] => [...(listed ?? []), ...(other && isListed === false ? [other] : [])],
    [listed, other, isListed],
  );
  const names = useMemo((): Names => new Map(accounts.map((one) => [one.id, accountName(one)])), [accounts]);
  return { accounts, names, more: pages.hasNextPage ? () => void pages.fetchNextPage() : undefined };
}

/** The last that risk told, for people. */
export function useRiskEvents(names: Names): string {
  const [said, say] = useState("");
  const latest = useRef(names);
  latest.current = names;
  useRiskMessages(
    true,
    useCallback((data: Record<string, unknown>) => say(announce(data, latest.current)), []),
  );
  return said;
}

/** Asks for all of it anew, after an act of one's own. */
export function useRefresh(): () => void {
  const client = useQueryClient();
  return () => void client.invalidateQueries({ queryKey: [RISK] });
}
