// Keys that work everywhere. Pages have keys of their own: `useKeys`.

import { useEffect, useRef, useState } from "react";
import { tinykeys } from "tinykeys";
import { useLocation } from "wouter";
import { Dialog } from "../components/dialog";
import { isFor, PLACES } from "./header";
import { openPalette, Palette } from "./palette";
import { useMe } from "./user";

type Binding = [keys: string, about: string, act: () => void];
type Listed = readonly [keys: string, about: string];

/** Those of pages that are mounted, for the list of keys. */
const known = new Set<readonly (Binding | Listed)[]>();

/** Fields that take letters. Those that only take a click or Space leave the keys to the page. */
const TYPED = "input:not([type=radio], [type=checkbox], [type=button], [type=submit]), textarea, select";

function isTyping({ target }: Event): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || target.matches(TYPED));
}

/** Something nearer took the key: a menu or a dialog that it closes, or details that stand open around it. */
function isTaken(event: KeyboardEvent): boolean {
  if (event.defaultPrevented || document.querySelector("dialog[open]")) return true;
  return event.key === "Escape" && event.target instanceof Element && !!event.target.closest("details[open]");
}

/** Binds keys as long as the page is there. Who types into a field is left alone. */
export function useKeys(bindings: readonly Binding[]): void {
  const latest = useRef(bindings);
  latest.current = bindings;
  const names = bindings.map(([keys]) => keys).join();
  // biome-ignore lint/correctness/useExhaustiveDependencies: the acts are read when they are pressed
  useEffect(() => {
    const list = latest.current;
    known.add(list);
    const bound = list.map(([keys], index) => [
      keys,
      (event: KeyboardEvent) => {
        if (isTaken(event) || (isTyping(event) && !keys.includes("$mod"))) return;
        event.preventDefault();
        // A key that is held is one press: it must not send an order again and again.
        if (!event.repeat) latest.current[index]?.[2]();
      },
    ]);
    const stop = tinykeys(window, Object.fromEntries(bound));
    return () => {
      stop();
      known.delete(list);
    };
  }, [names]);
}

/** Lists keys that a part of a page has of its own while it has the focus. */
export function useListedKeys(list: readonly Listed[]): void {
  useEffect(() => {
    known.add(list);
    return () => {
      known.delete(list);
    };
  }, [list]);
}

export function Keys() {
  const [, go] = useLocation();
  const [helps, setHelps] = useState(false);
  const permissions = useMe().data?.permissions;
  useKeys([
    ["/", "Find a symbol or a page", openPalette],
    ["$mod+k", "Find a symbol or a page", openPalette],
    ["Shift+?", "These keys", () => setHelps(true)],
    ...PLACES.filter((place) => isFor(place, permissions)).map(
      (place): Binding => [`g ${place.key}`, `Go to ${place.title}`, () => go(place.path)],
    ),
  ]);
  return (
    <>
      <Palette />
      {helps && (
        <Dialog title="Keys" onClose={() => setHelps(false)}>
          <dl className="facts">
            {[...known].flat().map(([keys, about]) => (
              <div key={`${keys} ${about}`} style={{ display: "contents" }}>
                <dt>{about}</dt>
                <dd>
                  <kbd>{keys.replace("$mod", "Ctrl").replace("Shift+?", "?")}</kbd>
                </dd>
              </div>
            ))}
          </dl>
        </Dialog>
      )}
    </>
  );
}
