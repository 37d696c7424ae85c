import { type ReactNode, useState } from "react";
import { Button } from "./controls";
import { Dialog } from "./dialog";
import { Form, type Wrong } from "./form";
import { ReasonField } from "./reason";

interface ConfirmProps {
  title: string;
  /** The act, on its button: "End the session". */
  act: string;
  /** It takes something away, or stops something. */
  destroys?: boolean;
  /** Whether a reason is asked for, which `onConfirm` is given. */
  asksReason?: boolean;
  onConfirm: (reason: string) => Promise<unknown>;
  onClose: () => void;
  /** What will happen, and what is asked for it. */
  children: ReactNode | ((wrong: Wrong) => ReactNode);
}

/** Asks once before something that costs or destroys; it closes when it is done, and says why if it is not. */
export function Confirm({ title, act, destroys, asksReason, onConfirm, onClose, children }: ConfirmProps) {
  const [reason, setReason] = useState("");
  return (
    <Dialog title={title} onClose={onClose}>
      <Form
        label={title}
        button={act}
        kind={destroys ? "danger-side" : "primary"}
        onSubmit={async () => {
          await onConfirm(reason.trim());
          onClose();
        }}
        beside={<Button onClick={onClose}>Leave it</Button>}
      >
        {(wrong) => (
          <>
            {typeof children === "function" ? children(wrong) : <div className="stack">{children}</div>}
            {asksReason && <ReasonField reason={reason} error={wrong("reason")} onChange={setReason} />}
          </>
        )}
      </Form>
    </Dialog>
  );
}

interface ConfirmButtonProps extends Omit<ConfirmProps, "onClose"> {
  label: ReactNode;
  /** What the button is called where its label is short. */
  name?: string;
}

/** A button that asks first. */
export function ConfirmButton({ label, name, ...rest }: ConfirmButtonProps) {
  const [open, setOpen] = useState(false);
  return (
    <>
      <Button small aria-label={name} kind={rest.destroys ? "danger-side" : "plain"} onClick={() => setOpen(true)}>
        {label}
      </Button>
      {open && <Confirm {...rest} onClose={() => setOpen(false)} />}
    </>
  );
}
