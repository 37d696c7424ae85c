// Executions of an account as far back as they were asked for, and what was held when the newest of them were told.

import { useInfiniteQuery } from "@tanstack/react-query";
import { useEffect, useMemo } from "react";
import { api, page } from "../../api/client";
import { type Execution, isAfter, keys, useExecutions } from "../../live/account";
import type { Held } from "./trips";

/** Rows of a page, the most that one has. */
const ROWS = 200;
/** How often what is told of two moments is asked for again. */
const TURNS_MAX = 5;

/** Rows that came since a list was loaded, before those of the list. */
export function withNewer(rows: Execution[], live: readonly Execution[], symbol: string): Execution[] {
  const newest = rows[0]?.seq;
  const newer = live.filter((row) => (!symbol || row.symbol === symbol) && (!newest || isAfter(row.seq, newest)));
  return [...newer, ...rows];
}

/** Whether what is loaded must be loaded anew: live rows do not reach back to it, or one of them changes what it says. */
export function isOutrun(asOf: string, live: readonly Execution[]): boolean {
  const newer = live.filter((row) => isAfter(row.seq, asOf));
  return (newer.length === live.length && live.length >= ROWS) || newer.some((row) => row.type !== "trade");
}

function older(account: string, symbol: string, cursor: string) {
  const query = { account, limit: ROWS, ...(symbol ? { symbol } : {}), ...(cursor ? { cursor } : {}) };
  return page(api.GET("/api/v1/executions", { params: { query } }));
}

const inputOf = (seq: string) => seq.split(":")[0];

/**
 * The newest executions, and what is held with all of them that `as_of` includes. A position is told right after its execution:
 * an answer that ends between the two has one without the other, so that one which may is asked for again.
 */
async function newest(account: string, symbol: string) {
  const query = { account, include_flat: true, ...(symbol ? { symbol } : {}) };
  let before: string | undefined;
  for (let turn = 1; ; turn += 1) {
    const [positions, rows] = await Promise.all([
      page(api.GET("/api/v1/positions", { params: { query } })),
      older(account, symbol, ""),
    ]);
    const [asOf, upTo] = [positions.meta.as_of, rows.meta.as_of];
    if (!asOf || !upTo || turn === TURNS_MAX) return { ...rows, held: null };
    const isBetween = rows.data.some((row) => inputOf(row.seq) === inputOf(asOf)) && asOf !== before;
    if (!isAfter(asOf, upTo) && !isBetween) {
      return { ...rows, held: { as_of: asOf, positions: positions.data } satisfies Held };
    }
    before = asOf;
  }
}

export function useExecutionHistory(account: string, symbol: string) {
  const live = useExecutions(account).data;
  const query = useInfiniteQuery({
    queryKey: [...keys.executions(account), "pages", symbol],
    queryFn: async ({ pageParam }) =>
      pageParam ? { ...(await older(account, symbol, pageParam)), held: null } : newest(account, symbol),
    initialPageParam: "",
    getNextPageParam: (last) => last.meta.next_cursor ?? undefined,
    staleTime: Number.POSITIVE_INFINITY,
  });
  const { data, refetch } = query;
  const held: Held | null = data?.pages[0]?.held ?? null;
  const isOld = held !== null && isOutrun(held.as_of, live ?? []);
  useEffect(() => {
    if (isOld) void refetch();
  }, [isOld, refetch]);
  const rows = useMemo(
    () => withNewer(data?.pages.flatMap((one) => one.data) ?? [], live ?? [], symbol),
    [data, live, symbol],
  );
  return { query, rows, held, isOld };
}
