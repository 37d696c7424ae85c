import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { api, type Schemas, take } from "../../api/client";
import { Segments, Select, TextField } from "../../components/controls";
import { Facts } from "../../components/facts";
import { words } from "../../components/figures";
import { Form } from "../../components/form";
import { tell, tellError } from "../../components/notices";
import { Panel } from "../../components/panel";
import { Loaded } from "../../components/states";
import { dateTime, zoneName, zones } from "../../format/time";
import { useKeepPreferences, usePreferences } from "../../shell/preferences";
import { type Theme, useAccounts, useMe, useSession, useTheme } from "../../shell/user";

export function ProfileSection() {
  return (
    <Loaded query={useMe()} rows={8}>
      {(me) => (
        <>
          <Panel title="You">
            <div className="stack">
              <Name me={me} />
              <Facts
                facts={[
                  ["E-mail", <Address key="address" me={me} />],
                  ["Role", words(me.role)],
                  [
                    "Plan",
                    <a key="plan" href="#plan">
                      {words(me.plan)}
                    </a>,
                  ],
                  ["Registered", dateTime(me.created_at)],
                ]}
              />
            </div>
          </Panel>
          <Preferences />
        </>
      )}
    </Loaded>
  );
}

function Name({ me }: { me: Schemas["Profile"] }) {
  const client = useQueryClient();
  const { user } = useSession();
  const [name, setName] = useState(me.name);
  return (
    <Form
      label="Name"
      button="Save the name"
      disabled={name.trim() === me.name || !name.trim()}
      onSubmit={async () => {
        client.setQueryData(["me", user], await take(api.PATCH("/api/v1/users/me", { body: { name } })));
        tell("Your name is saved.");
      }}
    >
      {(wrong) => (
        <TextField
          label="Name"
          autoComplete="name"
          required
          maxLength={100}
          value={name}
          error={wrong("name")}
          onChange={(event) => setName(event.target.value)}
        />
      )}
    </Form>
  );
}

function Address({ me }: { me: Schemas["Profile"] }) {
  const [said, setSaid] = useState<string | null>(null);
  return (
    <span className="row">
      <span>{me.email}</span>
      {me.email_verified ? (
        <span className="chip good">✓ Verified</span>
      ) : (
        <>
          <span className="chip warn">Not verified</span>
          <button
            type="button"
            className="link-button"
            onClick={() =>
              take(api.POST("/api/v1/auth/email/resend")).then((noted) => setSaid(noted.message), tellError)
            }
          >
            Mail the link again
          </button>
        </>
      )}
      <span role="status" className="muted">
        {said}
      </span>
    </span>
  );
}

/** Who types a name passes by other zones with each letter: the one that is stayed with for so long, or that is left, is meant. */
const SETTLED_MS = 800;

function Zone({ kept, onChange }: { kept: string; onChange: (zone: string) => void }) {
  const [zone, setZone] = useState(kept);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => setZone(kept), [kept]);
  useEffect(() => () => clearTimeout(timer.current), []);
  const keep = (next: string) => {
    clearTimeout(timer.current);
    timer.current = undefined;
    if (next !== kept) onChange(next);
  };
  return (
    <Select
      label="Show times in"
      value={zone}
      options={[
        ["", "This machine's zone"],
        ["UTC", "UTC"],
        ...zones.map((one) => [one, `${one.replace("_", " ")} (${zoneName(one)})`] as const),
      ]}
      onChange={(next) => {
        setZone(next);
        clearTimeout(timer.current);
        timer.current = setTimeout(() => keep(next), SETTLED_MS);
      }}
      onBlur={() => timer.current !== undefined && keep(zone)}
      hint="The exchange's own time stands beside it where it matters."
    />
  );
}

function Preferences() {
  const [theme, setTheme] = useTheme();
  const preferences = usePreferences();
  const accounts = useAccounts().data ?? [];
  const keep = useKeepPreferences();
  const save = (change: Parameters<typeof keep>[0]) => void keep(change).then(() => tell("Saved."), tellError);
  return (
    <Panel title="Preferences">
      <div className="stack preferences">
        <div className="field">
          <span className="field-label">Theme, on this machine</span>
          <div>
            <Segments<Theme>
              label="Theme"
              value={theme}
              options={[
                ["system", "System"],
                ["light", "Light"],
                ["dark", "Dark"],
              ]}
              onChange={setTheme}
            />
          </div>
        </div>
        <Zone kept={preferences.zone ?? ""} onChange={(zone) => save({ zone: zone || undefined })} />
        <Select
          label="Account to begin with"
          value={accounts.some((one) => one.id === preferences.account) ? (preferences.account ?? "") : ""}
          options={[["", "The first that is open"], ...accounts.map((one) => [one.id, one.name] as const)]}
          onChange={(account) => save({ account: account || undefined })}
          hint="On a machine where no other was chosen in the head of the page."
        />
      </div>
    </Panel>
  );
}
