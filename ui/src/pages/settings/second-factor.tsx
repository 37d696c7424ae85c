import { useQueryClient } from "@tanstack/react-query";
import { lazy, Suspense, useState } from "react";
import { api, type Schemas, take } from "../../api/client";
import { Button } from "../../components/controls";
import { Arrived } from "../../components/focus";
import { Form } from "../../components/form";
import { tell } from "../../components/notices";
import { Panel } from "../../components/panel";
import { Loaded } from "../../components/states";
import { useMe } from "../../shell/user";
import { CodeField, ConfirmSelf } from "./confirm-self";
import { Once } from "./once";

const Qr = lazy(() => import("./qr"));

export function SecondFactor() {
  const [codes, setCodes] = useState<readonly string[] | null>(null);
  return (
    <Loaded query={useMe()}>
      {(me) => (
        <>
          {codes && (
            <Once
              title="Your recovery codes"
              about="Each lets you in once, if your authenticator is lost. They are told now and never again."
              lines={codes}
              file="tidegate-recovery-codes.txt"
              onKept={() => setCodes(null)}
            />
          )}
          {me.totp_enabled ? <Enabled onCodes={setCodes} /> : <Setup onCodes={setCodes} />}
        </>
      )}
    </Loaded>
  );
}

type OnCodes = (codes: readonly string[]) => void;

function useChanged() {
  const client = useQueryClient();
  return () =>
    Promise.all([
      client.invalidateQueries({ queryKey: ["me"] }),
      client.invalidateQueries({ queryKey: ["onboarding"] }),
    ]);
}

function Setup({ onCodes }: { onCodes: OnCodes }) {
  const changed = useChanged();
  const [given, setGiven] = useState({ password: "", code: "" });
  const [setup, setSetup] = useState<Schemas["Setup"] | null>(null);
  const [code, setCode] = useState("");
  if (!setup) {
    return (
      <Panel title="Switch it on" actions={<span className="chip warn">Off</span>}>
        <Form
          label="Set up the second factor"
          button="Set it up"
          onSubmit={async () => {
            setSetup(await take(api.POST("/api/v1/auth/totp/setup", { body: { password: given.password || null } })));
          }}
        >
          {(wrong) => (
            <>
              <p className="muted">
                An authenticator on your phone (Aegis, 1Password, Google Authenticator and others) shows a code that is
                asked for at log-in.
              </p>
              <ConfirmSelf wrong={wrong} {...given} onChange={setGiven} />
            </>
          )}
        </Form>
      </Panel>
    );
  }
  return (
    <Panel title="Switch it on" actions={<span className="chip warn">Not on yet</span>}>
      <Form
        label="Enable the second factor"
        button="Switch it on"
        beside={<Button onClick={() => setSetup(null)}>Leave it</Button>}
        onSubmit={async () => {
          onCodes((await take(api.POST("/api/v1/auth/totp/enable", { body: { code } }))).recovery_codes);
          await changed();
        }}
      >
        {(wrong) => (
          <Arrived className="setup">
            <Suspense fallback={<div className="qr skeleton" />}>
              <Qr text={setup.uri} label="The secret as a QR code; it stands beside as text" />
            </Suspense>
            <div className="stack">
              <p>1. Scan this with your authenticator, or type the secret:</p>
              <code className="secret" data-testid="secret">
                {setup.secret.match(/.{1,4}/g)?.join(" ")}
              </code>
              <p>2. Give the code that it shows:</p>
              <CodeField wrong={wrong} code={code} label="Code of six digits" onChange={setCode} />
            </div>
          </Arrived>
        )}
      </Form>
    </Panel>
  );
}

function Enabled({ onCodes }: { onCodes: OnCodes }) {
  const changed = useChanged();
  const [next, setNext] = useState("");
  const [off, setOff] = useState("");
  return (
    <>
      <Panel title="New recovery codes" actions={<span className="chip good">✓ On</span>}>
        <Form
          label="New recovery codes"
          button="Make new codes"
          onSubmit={async () => {
            const body = { code: next };
            onCodes((await take(api.POST("/api/v1/auth/totp/recovery-codes", { body }))).recovery_codes);
            setNext("");
          }}
        >
          {(wrong) => (
            <>
              <p className="muted">Ten new ones take the place of those you have, which are worth nothing then.</p>
              <CodeField wrong={wrong} code={next} onChange={setNext} />
            </>
          )}
        </Form>
      </Panel>
      <Panel title="Switch it off">
        <Form
          label="Switch the second factor off"
          button="Switch it off"
          kind="danger-side"
          onSubmit={async () => {
            await take(api.POST("/api/v1/auth/totp/disable", { body: { code: off } }));
            setOff("");
            tell("The second factor is off.");
            await changed();
          }}
        >
          {(wrong) => (
            <>
              <p className="muted">Your password alone lets anybody in then. The recovery codes go as well.</p>
              <CodeField wrong={wrong} code={off} onChange={setOff} />
            </>
          )}
        </Form>
      </Panel>
    </>
  );
}
