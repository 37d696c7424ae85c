import { keepPreviousData, type UseQueryResult, useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { RISK, useStopped } from "../../live/risk";
import { useMay } from "../../shell/user";
import { ask, type Body, type Preview } from "./sending";
import { stoppedBy } from "./stopped";

/** A change is asked about once it rests for so long. */
const DEBOUNCE_MS = 250;
/** What an order would do changes with the market. */
const ASK_AGAIN_MS = 5_000;

/** A value once it has rested. */
function useRested<T>(value: T): T {
  const [rested, set] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => set(value), DEBOUNCE_MS);
    return () => clearTimeout(timer);
  }, [value]);
  return rested;
}

interface Asked {
  preview: UseQueryResult<Preview>;
  /** The preview is of the order as it was before the last change. */
  isOfBefore: boolean;
  /** Why nothing of this account and symbol can be sent now. */
  stopped: string | null;
}

/** What an order would do, asked for anew when it changes and as the market moves. `body` is the same object while nothing changes. */
export function usePreview(body: Body | null, symbol: string, account: string | undefined, enabled = true): Asked {
  const rested = useRested(body);
  const preview = useQuery({
    // Asked for anew with all that risk answers: whether it passes is another matter once a kill switch is engaged.
    queryKey: [RISK, "preview", rested],
    queryFn: ({ signal }) => ask(rested as Body, signal),
    enabled: rested !== null && enabled,
    placeholderData: keepPreviousData,
    refetchInterval: ASK_AGAIN_MS,
    staleTime: 0,
    gcTime: 10_000,
    retry: false,
  });
  const isOfBefore = preview.isPlaceholderData || rested !== body;
  const kills = useStopped(useMay("risk:read")).data?.kills ?? [];
  return { preview, isOfBefore, stopped: stoppedBy(kills, account, symbol, isOfBefore ? undefined : preview.data) };
}
