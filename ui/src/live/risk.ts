// What stands still: asked for once, and anew when the engine's risk tells that something changed.

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { api, take } from "../api/client";
import { socket } from "./socket";

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

/** Keeps all that risk answers in step with the channels `risk` and `alerts`, and hears what they tell. */
export function useRiskChanges(enabled: boolean, hears?: (data: Record<string, unknown>) => void): void {
  const client = useQueryClient();
  useEffect(() => {
    if (!enabled) return;
    let due: ReturnType<typeof setTimeout> | undefined;
    const refresh = () => {
      due ??= setTimeout(() => {
        due = undefined;
        void client.invalidateQueries({ queryKey: [RISK] });
      }, REFRESH_AFTER_MS);
    };
    const onData = (data: Record<string, unknown>) => {
      hears?.(data);
      refresh();
    };
    const stops = (["risk", "alerts"] as const).map((name) => socket.follow(name, {}, { onData, onGap: refresh }));
    return () => {
      clearTimeout(due);
      for (const stop of stops) stop();
    };
  }, [client, enabled, hears]);
}
