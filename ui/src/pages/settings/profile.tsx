import { useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { api, type Schemas, take } from "../../api/client";
import { Segments, Select, TextField } from "../../components/controls";
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

/** Names and values beside each other. */
export function Facts({ facts }: { facts: readonly (readonly [string, ReactNode])[] }) {
  return (
    <dl className="told">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
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
        <Select
          label="Show times in"
          value={preferences.zone ?? ""}
          options={[
            ["", "This machine's zone"],
            ["UTC", "UTC"],
            ...zones.map((zone) => [zone, `${zone.replace("_", " ")} (${zoneName(zone)})`] as const),
          ]}
          onChange={(zone) => save({ zone: zone || undefined })}
          hint="The exchange's own time stands beside it where it matters."
        />
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
