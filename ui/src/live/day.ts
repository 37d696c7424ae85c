import { useQuery } from "@tanstack/react-query";
import { api, take } from "../api/client";
import { percentOf, subtract } from "../format/number";

const STALE_MS = 60_000;

/** What the day began from: the close of the day before, else its first trade since the gateway knows of it. */
export function useDayStart(symbol: string) {
  return useQuery({
    queryKey: ["day", symbol],
    queryFn: async ({ signal }) => {
      const params = { path: { symbol }, query: { resolution: "1d", limit: 2 } };
      const bars = await take(api.GET("/api/v1/history/{symbol}", { params, signal }));
      const [first, second] = bars;
      if (first && second) return { price: first.close, isClose: true };
      return first ? { price: first.open, isClose: false } : null;
    },
    staleTime: STALE_MS,
    refetchInterval: STALE_MS,
  }).data;
}

/** What a price has moved from another, and in per cent. */
export function change(last: string, from: string): { by: string; percent: string } | null {
  const by = subtract(last, from);
  const percent = percentOf(by, from);
  return percent === null ? null : { by, percent };
}
