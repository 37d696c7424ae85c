import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, type Schemas, take } from "../../api/client";
import { ConfirmButton } from "../../components/confirm";
import { Button, Field, Select, TextField } from "../../components/controls";
import { takeFocus, useReturnFocus } from "../../components/focus";
import { Form } from "../../components/form";
import { tell } from "../../components/notices";
import { Panel } from "../../components/panel";
import { Empty, Loaded } from "../../components/states";
import { dateTime, day } from "../../format/time";
import { type Permission, useMe, useSession } from "../../shell/user";
import { ConfirmSelf } from "./confirm-self";
import { Once } from "./once";

/** Permissions for people and not for programs: the gateway refuses them in a key. */
const NEVER = new Set<Permission>(["credentials:write", "risk:write", "users:admin"]);

const MEANS: Partial<Record<Permission, string>> = {
  "profile:read": "See your profile and watch lists",
  "profile:write": "Change them",
  "accounts:read": "See your cash, positions and executions",
  "accounts:write": "Open accounts",
  "orders:read": "See your orders",
  "orders:write": "Place, change and cancel orders",
  "risk:read": "See limits, and what stands still",
  "accounts:read_all": "See everybody's accounts and orders",
  "audit:read": "Read the audit log",
  "instruments:admin": "Define instruments",
  "market:read": "See the market",
};

const DAY_MS = 86_400_000;

export function ApiKeys() {
  const { user } = useSession();
  const client = useQueryClient();
  const query = useQuery({ queryKey: ["api-keys", user], queryFn: () => take(api.GET("/api/v1/api-keys")) });
  const [adds, setAdds] = useState(false);
  const [made, setMade] = useState<Schemas["NewKey"] | null>(null);
  const changed = () => client.invalidateQueries({ queryKey: ["api-keys"] });
  return (
    <>
      {made && (
        <Once
          title={`The token of ${made.key.name}`}
          about="Programs send it as `Authorization: Bearer`. It is told now and never again."
          lines={[made.token]}
          file="tidegate-api-key.txt"
          onKept={() => setMade(null)}
        />
      )}
      <Panel
        title="Keys of programs"
        actions={
          // It stays while the form is open, so that the focus can come back to it.
          <Button small aria-expanded={adds} onClick={() => setAdds(!adds)}>
            New key
          </Button>
        }
      >
        <Loaded query={query}>
          {(keys) =>
            keys.length === 0 ? (
              <Empty title="No keys">A key lets a program of yours in, with as little as it needs.</Empty>
            ) : (
              <ul className="list">
                {keys.map((key) => (
                  <Row key={key.id} apiKey={key} onEnded={changed} />
                ))}
              </ul>
            )
          }
        </Loaded>
      </Panel>
      {adds && (
        <NewKey
          onMade={(key) => {
            setMade(key);
            setAdds(false);
            void changed();
          }}
          onClose={() => setAdds(false)}
        />
      )}
    </>
  );
}

function Row({ apiKey: key, onEnded }: { apiKey: Schemas["KeyReport"]; onEnded: () => Promise<unknown> }) {
  const over = key.expires_at && key.expires_at < Date.now();
  return (
    <li>
      <div className="list-main">
        <strong>{key.name}</strong>
        {over && <span className="chip warn">Ended</span>}
        <span className="muted">
          made {dateTime(key.created_at)} · {key.expires_at ? `ends ${day(key.expires_at)}` : "does not end"} ·{" "}
          {key.networks.length > 0 ? `from ${key.networks.join(", ")}` : "from anywhere"}
        </span>
        <span className="row">
          {key.scopes.map((scope) => (
            <span key={scope} className="chip">
              {scope}
            </span>
          ))}
        </span>
      </div>
      <ConfirmButton
        label="Revoke"
        name={`Revoke ${key.name}`}
        title={`Revoke ${key.name}?`}
        act="Revoke it"
        destroys
        onConfirm={async () => {
          await take(api.DELETE("/api/v1/api-keys/{id}", { params: { path: { id: key.id } } }));
          tell(`${key.name} is revoked.`);
          await onEnded();
        }}
      >
        <p>Programs with this key are shut out from this moment on. Their orders stay in the market.</p>
      </ConfirmButton>
    </li>
  );
}

type Ends = "never" | "30" | "90" | "365";

function NewKey({ onMade, onClose }: { onMade: (key: Schemas["NewKey"]) => void; onClose: () => void }) {
  useReturnFocus();
  const me = useMe().data;
  const plans = useQuery({ queryKey: ["plans"], queryFn: () => take(api.GET("/api/v1/plans")) }).data;
  const [name, setName] = useState("");
  const [scopes, setScopes] = useState<readonly Permission[]>(["market:read"]);
  const [networks, setNetworks] = useState("");
  const [ends, setEnds] = useState<Ends>("90");
  const [given, setGiven] = useState({ password: "", code: "" });
  const offered = me?.permissions.filter((permission) => !NEVER.has(permission)) ?? [];
  const plan = plans?.find((one) => one.is_current);
  return (
    <Panel title="New key">
      <Form
        label="New key"
        button="Make the key"
        disabled={scopes.length === 0}
        beside={<Button onClick={onClose}>Leave it</Button>}
        onSubmit={async () => {
          const body = {
            name,
            scopes: [...scopes],
            networks: networks.split(/[\s,]+/).filter(Boolean),
            expires_at: ends === "never" ? null : new Date(Date.now() + Number(ends) * DAY_MS).toISOString(),
            password: given.password || null,
            code: given.code || null,
          };
          onMade(await take(api.POST("/api/v1/api-keys", { body })));
        }}
      >
        {(wrong) => (
          <>
            <TextField
              label="What it is for"
              ref={takeFocus}
              required
              maxLength={100}
              value={name}
              error={wrong("name")}
              onChange={(event) => setName(event.target.value)}
            />
            <fieldset className="scopes">
              <legend className="field-label">What it may</legend>
              {offered.map((scope) => (
                <label key={scope} className="check">
                  <input
                    type="checkbox"
                    checked={scopes.includes(scope)}
                    onChange={(event) =>
                      setScopes(event.target.checked ? [...scopes, scope] : scopes.filter((one) => one !== scope))
                    }
                  />
                  <span>
                    <code>{scope}</code>
                    <span className="field-hint">{MEANS[scope]}</span>
                  </span>
                </label>
              ))}
              {wrong("scopes") && (
                <span className="field-error" role="alert">
                  {wrong("scopes")}
                </span>
              )}
            </fieldset>
            {scopes.includes("orders:write") && plan && typeof plan.automatic_orders_per_day === "number" && (
              <p className="banner warn">
                <span>
                  Your plan lets programs place {plan.automatic_orders_per_day} orders a day.{" "}
                  <a href="#plan">See the plans.</a>
                </span>
              </p>
            )}
            <div className="pair">
              <Select<Ends>
                label="It ends"
                value={ends}
                error={wrong("expires_at")}
                options={[
                  ["30", "after 30 days"],
                  ["90", "after 90 days"],
                  ["365", "after a year"],
                  ["never", "never"],
                ]}
                onChange={setEnds}
              />
              <Field
                label="From these networks only"
                error={wrong("networks")}
                hint="One a line, such as 192.0.2.0/24; empty: anywhere."
              >
                {(props) => (
                  <textarea
                    className="input"
                    rows={2}
                    {...props}
                    value={networks}
                    onChange={(event) => setNetworks(event.target.value)}
                  />
                )}
              </Field>
            </div>
            <ConfirmSelf wrong={wrong} {...given} asksCode={me?.totp_enabled ?? false} onChange={setGiven} />
          </>
        )}
      </Form>
    </Panel>
  );
}
