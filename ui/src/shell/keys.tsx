// Keys that work everywhere. Pages have keys of their own: `useKeys`.

import { useEffect, useRef, useState } from "react";
import { tinykeys } from "tinykeys";
import { useLocation } from "wouter";
import { Dialog } from "../components/dialog";
import { PLACES } from "./header";
import { openPalette, Palette } from "./palette";

type Binding = [keys: string, about: string, act: () => void];

/** Those of pages that are mounted, for the list of keys. */
const known = new Set<readonly Binding[]>();

function isTyping(event: Event): boolean {
  const element = event.target as HTMLElement;
  return element.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(element.tagName);
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
        if ((isTyping(event) && !/\$mod|Escape/.test(keys)) || document.querySelector("dialog[open]")) return;
        event.preventDefault();
        latest.current[index]?.[2]();
      },
    ]);
    const stop = tinykeys(window, Object.fromEntries(bound));
    return () => {
      stop();
      known.delete(list);
    };
  }, [names]);
}

export function Keys() {
  const [, go] = useLocation();
  const [helps, setHelps] = useState(false);
  useKeys([
    ["/", "Find a symbol or a page", openPalette],
    ["$mod+k", "Find a symbol or a page", openPalette],
    ["Shift+?", "These keys", () => setHelps(true)],
    ...PLACES.map((place): Binding => [`g ${place.key}`, `Go to ${place.title}`, () => go(place.path)]),
  ]);
  return (
    <>
      <Palette />
      {helps && (
        <Dialog title="Keys" onClose={() => setHelps(false)}>
          <dl className="facts">
            {[...known].flat().map(([keys, about]) => (
              <div key={keys} style={{ display: "contents" }}>
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
