import { type ReactNode, useEffect, useId, useRef } from "react";
import { Button } from "./controls";
import { useReturnFocus } from "./focus";

interface DialogProps {
  title: ReactNode;
  onClose: () => void;
  wide?: boolean;
  children: ReactNode;
}

/** A modal dialog. Escape and a click beside it close it. */
export function Dialog({ title, onClose, wide, children }: DialogProps) {
  const ref = useRef<HTMLDialogElement>(null);
  const id = useId();
  // The browser returns the focus only from a dialog that is closed by its own means, not from one that is taken away.
  useReturnFocus();
  useEffect(() => {
    const dialog = ref.current;
    if (!dialog || dialog.open) return;
    dialog.showModal();
    // What is to be filled in, where the browser would take the first button.
    dialog.querySelector<HTMLElement>("input:not([type=radio], [type=checkbox]), textarea")?.focus();
  }, []);
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the keyboard has Escape
    <dialog
      ref={ref}
      className={wide ? "dialog wide" : "dialog"}
      aria-labelledby={id}
      onClose={onClose}
      onClick={(event) => event.target === ref.current && onClose()}
    >
      <div className="dialog-head">
        <h2 id={id}>{title}</h2>
        <Button kind="plain" small onClick={onClose} aria-label="Close">
          ✕
        </Button>
      </div>
      <div className="dialog-body">{children}</div>
    </dialog>
  );
}
