// What stands still: asked for once, and anew when the engine's risk tells that something changed.

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useMemo } from "react";
import { api, take } from "../api/client";
import { socket } from "./socket";
import { soon } from "./soon";

/** Begins the keys of all that risk answers. */
export const RISK = "risk";

/** Messages come in bursts: a kill switch of the firm is one for each account. */
const REFRESH_AFTER_MS = 300;

export function useStopped(enabled = true) {
  return useQuery({
    queryKey: [RISK, "stopped"],
    queryFn: () => take(api.GET("/api/v1/risk/stopped")),
    enabled,
  });
}

const nothing = (): void => undefined;

/** Hears what the channels `risk` and `alerts` tell. */
export function useRiskMessages(
  enabled: boolean,
  onData: (data: Record<string, unknown>) => void,
  onGap: () => void = nothing,
): void {
  useEffect(() => {
    if (!enabled) return;
    const stops = (["risk", "alerts"] as const).map((name) => socket.follow(name, {}, { onData, onGap }));
    return () => {
      for (const stop of stops) stop();
    };
  }, [enabled, onData, onGap]);
}

/** Keeps all that risk answers in step with what it tells, on whatever page. One of these is mounted: the banners'. */
export function useRiskChanges(enabled: boolean): void {
  const client = useQueryClient();
  const refresh = useMemo(
    () => soon(() => void client.invalidateQueries({ queryKey: [RISK] }), REFRESH_AFTER_MS),
    [client],
  );
  useEffect(() => refresh.cancel, [refresh]);
  useRiskMessages(enabled, refresh.ask, refresh.ask);
}
