// Short messages in a corner: what was done, what went wrong. Errors stay until they are put away.

import { useSyncExternalStore } from "react";
import { Listeners } from "../listeners";
import { Button } from "./controls";
import { saying } from "./states";

interface Notice {
  id: number;
  text: string;
  kind: "info" | "danger";
}

const STAYS_MS = 5_000;
/** Infos that stand at once. */
const INFOS_MAX = 4;

let notices: Notice[] = [];
let last = 0;
const listeners = new Listeners();

function set(next: Notice[]): void {
  notices = next;
  listeners.tell();
}

function close(id: number): void {
  set(notices.filter((notice) => notice.id !== id));
}

/** Says something. */
export function tell(text: string): void {
  const id = ++last;
  const pushedOut = notices.filter((notice) => notice.kind === "info").at(-INFOS_MAX);
  set([...notices.filter((notice) => notice !== pushedOut), { id, text, kind: "info" }]);
  setTimeout(() => close(id), STAYS_MS);
}

/** Says what went wrong. The same again takes the place of the first, so that what fails again and again does not fill the page. */
export function tellError(error: unknown): void {
  const text = saying(error);
  set([...notices.filter((notice) => notice.text !== text), { id: ++last, text, kind: "danger" }]);
}

export function Notices() {
  const shown = useSyncExternalStore(listeners.subscribe, () => notices);
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
