import { TextField } from "./controls";

/** Characters of a reason that the engine keeps. */
const REASON_LEN_MAX = 48;

interface ReasonFieldProps {
  reason: string;
  error?: string | undefined;
  onChange: (reason: string) => void;
}

/** Why something is done, as the engine keeps it: printable ASCII. */
export function ReasonField({ reason, error, onChange }: ReasonFieldProps) {
  return (
    <TextField
      label="Reason"
      required
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
