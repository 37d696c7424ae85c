import { useSyncExternalStore } from "react";

function hash(): string {
  return location.hash.slice(1);
}

/** What stands behind `#` in the address. */
export function useHash(): string {
  return useSyncExternalStore((listener) => {
    addEventListener("hashchange", listener);
    return () => removeEventListener("hashchange", listener);
  }, hash);
}
