import { type ReactNode, useState } from "react";
import { Button } from "../../components/controls";
import { Dialog } from "../../components/dialog";
import { saying } from "../../components/states";

interface AskProps {
  title: string;
  /** The act, on its button. */
  act: string;
  danger?: boolean;
  /** It closes when this is done, and says why if it is not. */
  onYes: () => Promise<unknown>;
  onClose: () => void;
  children?: ReactNode;
}

/** Asks once before something that costs. */
export function Ask({ title, act, danger, onYes, onClose, children }: AskProps) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const yes = async () => {
    setBusy(true);
    setError(null);
    try {
      await onYes();
      onClose();
    } catch (caught) {
      setError(caught);
      setBusy(false);
    }
  };
  return (
    <Dialog title={title} onClose={onClose}>
      <div className="stack">
        {children}
        {!!error && (
          <p className="banner danger" role="alert">
            {saying(error)}
          </p>
        )}
        <div className="row">
          <Button kind={danger ? "danger-side" : "primary"} busy={busy} autoFocus onClick={() => void yes()}>
            {act}
          </Button>
          <Button onClick={onClose}>Leave it</Button>
        </div>
      </div>
    </Dialog>
  );
}
