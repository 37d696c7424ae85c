import { useState } from "react";
import { Link } from "wouter";
import { api, take } from "../../api/client";
import { Button, Segments, TextField } from "../../components/controls";
import { Dialog } from "../../components/dialog";
import { Form } from "../../components/form";
import { useMe } from "../../shell/user";
import { accountOf, type Body, type Preview } from "./sending";
import type { Sender } from "./use-sender";

/** Asks for the second factor where what is to be sent needs one. */
export function AuthorizeNow({ sender: { now, authorized, clear } }: { sender: Sender }) {
  if (now.state !== "asks") return null;
  return (
    <Authorize body={now.body} preview={now.preview} onToken={(token) => authorized(now.body, token)} onClose={clear} />
  );
}

interface AuthorizeProps {
  body: Body;
  preview: Preview;
  onToken: (token: string) => void;
  onClose: () => void;
}

/** Says once more what is sent, and takes the second factor. */
function Authorize({ body, preview, onToken, onClose }: AuthorizeProps) {
  const hasTotp = useMe().data?.totp_enabled ?? false;
  const [by, setBy] = useState<"pin" | "totp">(hasTotp ? "totp" : "pin");
  const [code, setCode] = useState("");
  const submit = async () => {
    try {
      const asked = { account: accountOf(body), hash: preview.hash, [by]: code };
      onToken((await take(api.POST("/api/v1/orders/authorize", { body: asked }))).token);
    } finally {
      setCode("");
    }
  };
  return (
    <Dialog title="Authorize this order" onClose={onClose}>
      <Form
        label="Second factor"
        button="Authorize and send"
        onSubmit={submit}
        beside={<Button onClick={onClose}>Do not send</Button>}
      >
        {(wrong) => (
          <>
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
              error={wrong(by)}
              onChange={(event) => setCode(event.target.value)}
            />
            <p>
              <Link href="/settings">Set or unlock it in Settings</Link>
            </p>
          </>
        )}
      </Form>
    </Dialog>
  );
}
