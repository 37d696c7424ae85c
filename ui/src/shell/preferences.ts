// What the user chose for every machine; the gateway keeps it with the profile. What is chosen for one machine (theme, account looked
// at) is in the browser's storage: `user.ts`.

import { useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { api, take } from "../api/client";
import { setZone } from "../format/time";
import { useMe, useSession } from "./user";

export interface Preferences {
  /** Times are shown in this zone (IANA); absent: the machine's. */
  zone?: string;
  /** The account that is looked at where none was chosen on the machine. */
  account?: string;
}

/** Reads what any version of the page may have kept. */
export function readPreferences(kept: unknown): Preferences {
  const { zone, account } = (kept ?? {}) as Record<string, unknown>;
  return {
    ...(typeof zone === "string" && zone ? { zone } : {}),
    ...(typeof account === "string" && account ? { account } : {}),
  };
}

export function usePreferences(): Preferences {
  return readPreferences(useMe().data?.preferences);
}

/** Keeps a change with the rest, what others keep there included. */
export function useKeepPreferences() {
  const client = useQueryClient();
  const { user } = useSession();
  return async (change: { [K in keyof Preferences]?: Preferences[K] | undefined }) => {
    // Asked anew: another tab may have changed something else.
    const me = await take(api.GET("/api/v1/users/me"));
    const preferences = { ...(me.preferences as Record<string, unknown>), ...change };
    const changed = await take(api.PATCH("/api/v1/users/me", { body: { preferences } }));
    client.setQueryData(["me", user], changed);
  };
}

/** Lets the choices hold for the page. Mounted once. */
export function useApplyPreferences(): void {
  const { zone } = usePreferences();
  useEffect(() => setZone(zone), [zone]);
}
