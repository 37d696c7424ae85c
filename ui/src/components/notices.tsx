// Short messages in a corner: what was done, what went wrong. Errors stay until they are put away.

import { useSyncExternalStore } from "react";
import { Button } from "./controls";
import { saying } from "./states";

interface Notice {
  id: number;
  text: string;
  kind: "info" | "danger";
}

const STAYS_MS = 5_000;
const NOTICES_MAX = 4;

let notices: Notice[] = [];
let last = 0;
const listeners = new Set<() => void>();

function set(next: Notice[]): void {
  notices = next;
  for (const listener of listeners) listener();
}

function close(id: number): void {
  set(notices.filter((notice) => notice.id !== id));
}

/** Says something. */
export function tell(text: string): void {
  const id = ++last;
  set([...notices, { id, text, kind: "info" as const }].slice(-NOTICES_MAX));
  setTimeout(() => close(id), STAYS_MS);
}

/** Says what went wrong. */
export function tellError(error: unknown): void {
  set([...notices, { id: ++last, text: saying(error), kind: "danger" as const }].slice(-NOTICES_MAX));
}

export function Notices() {
  const shown = useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => notices,
  );
  return (
    <div className="notices" aria-live="polite">
      {shown.map((notice) => (
        <div key={notice.id} className={`notice ${notice.kind}`} role={notice.kind === "danger" ? "alert" : undefined}>
          <span>{notice.text}</span>
          <Button kind="plain" small onClick={() => close(notice.id)} aria-label="Put away">
            ✕
          </Button>
        </div>
      ))}
    </div>
  );
}
