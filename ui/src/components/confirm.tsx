import { type FormEvent, type ReactNode, useState } from "react";
import { ApiError } from "../api/error";
import { Button, TextField } from "./controls";
import { Dialog } from "./dialog";
import { saying } from "./states";

/** Characters of a reason that the engine keeps. */
const REASON_LEN_MAX = 48;

interface ReasonFieldProps {
  reason: string;
  error?: string | undefined;
  autoFocus?: boolean;
  onChange: (reason: string) => void;
}

/** Why something is done, as the engine keeps it: printable ASCII. */
export function ReasonField({ reason, error, autoFocus, onChange }: ReasonFieldProps) {
  return (
    <TextField
      label="Reason"
      required
      autoFocus={autoFocus}
      maxLength={REASON_LEN_MAX}
      pattern="[ -~]*[!-~][ -~]*"
      title="Letters, digits and signs of ASCII"
      hint={`It is kept for good. ${REASON_LEN_MAX - reason.length} characters left.`}
      error={error}
      value={reason}
      onChange={(event) => onChange(event.target.value)}
    />
  );
}

interface ConfirmProps {
  title: ReactNode;
  /** What the button says: the act itself, not "OK". */
  act: string;
  /** Whether it stops something or costs something. */
  isGrave?: boolean;
  /** Whether a reason is asked for, which `onAct` is given. */
  asksReason?: boolean;
  onAct: (reason: string) => Promise<void>;
  onClose: () => void;
  /** What will happen, exactly. */
  children: ReactNode;
}

/** Asks once before something is done. It stays open while that is under way and says why it was refused. */
export function Confirm({ title, act, isGrave, asksReason, onAct, onClose, children }: ConfirmProps) {
  const [reason, setReason] = useState("");
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const field = error instanceof ApiError ? error.field : undefined;
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      await onAct(reason.trim());
      onClose();
    } catch (caught) {
      setError(caught);
      setBusy(false);
    }
  };
  return (
    <Dialog title={title} onClose={onClose}>
      <form className="stack" onSubmit={submit}>
        {children}
        {asksReason && (
          <ReasonField
            autoFocus
            reason={reason}
            error={field === "reason" ? saying(error) : undefined}
            onChange={setReason}
          />
        )}
        {error !== null && field !== "reason" && (
          <p className="banner danger" role="alert">
            {saying(error)}
          </p>
        )}
        <div className="row confirm-acts">
          <Button onClick={onClose}>Leave it</Button>
          <Button type="submit" kind={isGrave ? "danger-side" : "primary"} busy={busy}>
            {act}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
