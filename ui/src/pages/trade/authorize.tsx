import { type FormEvent, useState } from "react";
import { Link } from "wouter";
import { api, take } from "../../api/client";
import { ApiError } from "../../api/error";
import { Button, Segments, TextField } from "../../components/controls";
import { Dialog } from "../../components/dialog";
import { saying } from "../../components/states";
import { useMe } from "../../shell/user";
import { accountOf, type Body, type Preview } from "./sending";

interface AuthorizeProps {
  body: Body;
  preview: Preview;
  onToken: (token: string) => void;
  onClose: () => void;
}

/** Says once more what is sent, and takes the second factor. */
export function Authorize({ body, preview, onToken, onClose }: AuthorizeProps) {
  const hasTotp = useMe().data?.totp_enabled ?? false;
  const [by, setBy] = useState<"pin" | "totp">(hasTotp ? "totp" : "pin");
  const [code, setCode] = useState("");
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      const asked = { account: accountOf(body), hash: preview.hash, [by]: code };
      onToken((await take(api.POST("/api/v1/orders/authorize", { body: asked }))).token);
    } catch (caught) {
      setError(caught);
      setCode("");
      setBusy(false);
    }
  };
  const isLocked = error instanceof ApiError && error.code === "locked";
  return (
    <Dialog title="Authorize this order" onClose={onClose}>
      <form className="stack" onSubmit={submit}>
        <ul className="trade-summary">
          {preview.legs.map((leg, index) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: legs have no other name
            <li key={index}>{leg.summary}</li>
          ))}
        </ul>
        <p className="muted">A second factor shows that it is you.</p>
        <Segments
          label="Second factor"
          value={by}
          options={[
            ["totp", "Authenticator"],
            ["pin", "PIN"],
          ]}
          onChange={setBy}
        />
        <TextField
          label={by === "totp" ? "Code of your authenticator" : "PIN"}
          type={by === "pin" ? "password" : "text"}
          inputMode="numeric"
          autoComplete={by === "pin" ? "off" : "one-time-code"}
          required
          value={code}
          error={error ? saying(error) : undefined}
          onChange={(event) => setCode(event.target.value)}
        />
        {(isLocked || !!error) && (
          <p>
            <Link href="/settings">Set or unlock it in Settings</Link>
          </p>
        )}
        <div className="row">
          <Button type="submit" kind="primary" busy={busy}>
            Authorize and send
          </Button>
          <Button onClick={onClose}>Do not send</Button>
        </div>
      </form>
    </Dialog>
  );
}
