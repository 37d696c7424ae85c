// One field for symbols and pages: `/` or Ctrl-K.

import { useState, useSyncExternalStore } from "react";
import { useLocation } from "wouter";
import { Dialog } from "../components/dialog";
import { Listeners } from "../listeners";
import { isFor, PLACES } from "./header";
import { useInstruments, useMe } from "./user";

let isOpen = false;
const listeners = new Listeners();

function set(open: boolean): void {
  isOpen = open;
  listeners.tell();
}

export function openPalette(): void {
  set(true);
}

/** Entries that are shown. */
const SHOWN_MAX = 12;

export function Palette() {
  const open = useSyncExternalStore(listeners.subscribe, () => isOpen);
  return open ? <Choices /> : null;
}

function Choices() {
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const [, go] = useLocation();
  const me = useMe().data;
  const instruments = useInstruments().data ?? [];
  const wanted = text.trim().toUpperCase();
  const symbols = instruments.map((one) => ({
    path: `/trade/${encodeURIComponent(one.symbol)}`,
    title: one.symbol,
    about: `${one.venue} · ${one.asset_class} · ${one.currency}`,
  }));
  const places = [...PLACES, { path: "/settings", title: "Settings", needs: ["profile:read"] as const }]
    .filter((place) => isFor(place, me?.permissions))
    .map((place) => ({ path: place.path, title: place.title, about: "Page" }));
  const rank = (title: string) => (title.toUpperCase().startsWith(wanted) ? 0 : 1);
  const found = [...symbols, ...places]
    .filter((one) => `${one.title} ${one.about}`.toUpperCase().includes(wanted))
    .sort((a, b) => rank(a.title) - rank(b.title))
    .slice(0, SHOWN_MAX);
  const chosen = Math.min(at, Math.max(found.length - 1, 0));
  const take = (index: number) => {
    const one = found[index];
    if (!one) return;
    set(false);
    go(one.path);
  };
  return (
    <Dialog title="Find a symbol or a page" onClose={() => set(false)}>
      <input
        className="input"
        autoFocus
        role="combobox"
        aria-label="Symbol or page"
        aria-expanded="true"
        aria-controls="palette"
        aria-activedescendant={found[chosen] ? `palette-${chosen}` : undefined}
        value={text}
        onChange={(event) => {
          setText(event.target.value);
          setAt(0);
        }}
        onKeyDown={(event) => {
          if (event.key === "ArrowDown") setAt(Math.min(chosen + 1, found.length - 1));
          else if (event.key === "ArrowUp") setAt(Math.max(chosen - 1, 0));
          else if (event.key === "Enter") take(chosen);
          else return;
          event.preventDefault();
        }}
      />
      <div id="palette" role="listbox" aria-label="Found" className="palette">
        {found.map((one, index) => (
          // biome-ignore lint/a11y/useKeyWithClickEvents: the field above has the keyboard
          <div
            key={one.path}
            id={`palette-${index}`}
            role="option"
            tabIndex={-1}
            aria-selected={index === chosen}
            onClick={() => take(index)}
          >
            <strong>{one.title}</strong> <span className="muted">{one.about}</span>
          </div>
        ))}
        {found.length === 0 && <p className="muted">Nothing has that name.</p>}
      </div>
    </Dialog>
  );
}
