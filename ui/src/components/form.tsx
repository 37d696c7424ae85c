import { type FormEvent, type ReactNode, useEffect, useState } from "react";
import { ApiError } from "../api/error";
import { Button } from "./controls";
import { saying } from "./states";

/** What is wrong with a field, if something is. */
export type Wrong = (field: string) => string | undefined;

interface FormProps {
  /** What it says to those who listen. */
  label: string;
  /** Sends it; what it throws stands at its field, or above the button. */
  onSubmit: () => Promise<unknown>;
  button: ReactNode;
  kind?: "primary" | "danger-side";
  disabled?: boolean;
  /** Beside the button. */
  beside?: ReactNode;
  children?: (wrong: Wrong) => ReactNode;
}

/**
 * Places an error: fields ask `wrong` for theirs while they are drawn, and an error that none of them asked for is not placed: it has
 * to be said elsewhere. `isPlaced` is to be asked after the last field was drawn.
 */
export function placing(error: unknown): { wrong: Wrong; isPlaced: () => boolean } {
  const field = error instanceof ApiError ? error.field : undefined;
  let isPlaced = false;
  return {
    wrong: (name) => {
      if (field !== name) return undefined;
      isPlaced = true;
      return saying(error);
    },
    isPlaced: () => isPlaced,
  };
}

/** Seconds until the gateway may be asked again, counted down. */
export function useWait(error: unknown): number {
  const asked = error instanceof ApiError ? Number(error.details.retry_after_s ?? 0) : 0;
  const [left, setLeft] = useState(0);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the same wait told again is another wait
  useEffect(() => {
    setLeft(asked);
    if (asked <= 0) return;
    const until = Date.now() + asked * 1_000;
    const timer = setInterval(() => {
      const rest = Math.max(0, Math.ceil((until - Date.now()) / 1_000));
      setLeft(rest);
      if (rest === 0) clearInterval(timer);
    }, 250);
    return () => clearInterval(timer);
  }, [asked, error]);
  return left;
}

interface UnplacedProps extends Pick<ReturnType<typeof placing>, "isPlaced"> {
  children: ReactNode;
}

/** An error that no field says. It is a component, and stands behind the fields, because those that are components themselves ask for
 * theirs only when their turn to be drawn has come. */
function Unplaced({ isPlaced, children }: UnplacedProps) {
  if (isPlaced()) return null;
  return (
    <p className="banner danger" role="alert">
      {children}
    </p>
  );
}

/** A form: it is sent once at a time, and says at which field something is wrong and how long to wait. */
export function Form({ label, onSubmit, button, kind = "primary", disabled, beside, children }: FormProps) {
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const left = useWait(error);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    event.stopPropagation();
    if (busy || left > 0) return;
    setBusy(true);
    setError(null);
    try {
      await onSubmit();
    } catch (caught) {
      setError(caught);
    } finally {
      setBusy(false);
    }
  };
  const { wrong, isPlaced } = placing(error);
  const waited = error instanceof ApiError && error.code === "too_many" && left === 0;
  return (
    <form className="stack" aria-label={label} onSubmit={submit}>
      {children?.(wrong)}
      {!!error && !waited && (
        <Unplaced isPlaced={isPlaced}>{left > 0 ? "Too many tries from here." : saying(error)}</Unplaced>
      )}
      <div className="row">
        <Button type="submit" kind={kind} busy={busy} disabled={disabled || left > 0}>
          {left > 0 ? `Try again in ${left} s` : button}
        </Button>
        {beside}
      </div>
    </form>
  );
}
