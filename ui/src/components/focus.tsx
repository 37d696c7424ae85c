// Where the focus goes when what had it goes away. Left alone it falls to the body: who works by keyboard begins the page anew then,
// and who listens is told nothing.

import { type ReactNode, useEffect, useState } from "react";

/** Gives back a focus that was lost: to `opener` if it can still take it, else to the heading of the page. */
export function returnFocus(opener: Element | null): void {
  const isLost = () => document.activeElement === null || document.activeElement === document.body;
  if (!isLost()) return;
  if (opener instanceof HTMLElement && opener.isConnected) opener.focus();
  if (isLost()) takeFocus(document.querySelector<HTMLElement>("main h1") ?? document.querySelector("main"));
}

/** As a `ref`: the element has the focus as soon as it is there, even if it is text. */
export function takeFocus(element: HTMLElement | null): void {
  if (!element) return;
  if (element.tabIndex < 0) element.tabIndex = -1;
  element.focus();
}

/** The focus goes back to where it was before the component was there, once it is gone. */
export function useReturnFocus(): void {
  // Asked for before the component is drawn, which may take the focus at once.
  const [opener] = useState(() => document.activeElement);
  useEffect(() => () => returnFocus(opener), [opener]);
}

/** What takes the place of what was acted on takes its focus too. */
export function Arrived({ className, children }: { className?: string; children: ReactNode }) {
  useReturnFocus();
  return (
    <div className={className} ref={takeFocus}>
      {children}
    </div>
  );
}
