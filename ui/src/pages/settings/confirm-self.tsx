import { TextField } from "../../components/controls";
import type { Wrong } from "../../components/form";

interface Given {
  password: string;
  code: string;
}

interface ConfirmSelfProps extends Given {
  wrong: Wrong;
  /** Whether a second factor is on, and asked for. */
  asksCode?: boolean;
  onChange: (given: Given) => void;
}

/** The password once more, and a code where the second factor is on. */
export function ConfirmSelf({ wrong, password, code, asksCode, onChange }: ConfirmSelfProps) {
  return (
    <>
      <TextField
        label="Your password"
        type="password"
        autoComplete="current-password"
        hint="Leave it empty if you have none because you sign in elsewhere."
        value={password}
        error={wrong("password")}
        onChange={(event) => onChange({ password: event.target.value, code })}
      />
      {asksCode && <CodeField wrong={wrong} code={code} onChange={(given) => onChange({ password, code: given })} />}
    </>
  );
}

interface CodeFieldProps {
  wrong: Wrong;
  code: string;
  label?: string;
  onChange: (code: string) => void;
}

export function CodeField({ wrong, code, label = "Code of your second factor", onChange }: CodeFieldProps) {
  return (
    <TextField
      label={label}
      autoComplete="one-time-code"
      autoCapitalize="none"
      spellCheck={false}
      required
      value={code}
      error={wrong("code")}
      onChange={(event) => onChange(event.target.value.trim())}
    />
  );
}
