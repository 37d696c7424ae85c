import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, type Schemas, take } from "../../api/client";
import { ApiError } from "../../api/error";
import { Confirm, ConfirmButton } from "../../components/confirm";
import { Button, TextField } from "../../components/controls";
import { Form } from "../../components/form";
import { tell } from "../../components/notices";
import { Panel } from "../../components/panel";
import { Empty, Loaded } from "../../components/states";
import { dateTime } from "../../format/time";
import { useSession } from "../../shell/user";

type Connection = Schemas["Connection"];
type Secret = { id: number; name: string; value: string };

/** Fields that a connection may have. */
const FIELDS_MAX = 8;
let fields = 0;
const blank = (name = ""): Secret => ({ id: ++fields, name, value: "" });

/** What is sent. Of two fields of one name only one would be, so that they are refused. */
function credentials(secrets: readonly Secret[]): Record<string, string> {
  const again = secrets.find((one, at) => secrets.findIndex(({ name }) => name === one.name) < at);
  if (again) throw new ApiError("invalid", `Two fields are called ${again.name}.`, { field: "credentials" });
  return Object.fromEntries(secrets.map(({ name, value }) => [name, value]));
}

export function Brokers() {
  const { user } = useSession();
  const query = useQuery({ queryKey: ["brokers", user], queryFn: () => take(api.GET("/api/v1/broker-connections")) });
  const [adds, setAdds] = useState(false);
  return (
    <>
      <Panel
        title="Connections to brokers"
        actions={
          !adds && (
            <Button small onClick={() => setAdds(true)}>
              New connection
            </Button>
          )
        }
      >
        <Loaded query={query}>
          {(all) =>
            all.length === 0 ? (
              <Empty title="No connections">
                Credentials for a broker are kept sealed; nobody is told them again, you included.
              </Empty>
            ) : (
              <ul className="list">
                {all.map((one) => (
                  <Row key={one.id} connection={one} />
                ))}
              </ul>
            )
          }
        </Loaded>
      </Panel>
      {adds && <Connect onClose={() => setAdds(false)} />}
    </>
  );
}

function Row({ connection }: { connection: Connection }) {
  const client = useQueryClient();
  const [rotates, setRotates] = useState(false);
  const path = { id: connection.id };
  const changed = () => client.invalidateQueries({ queryKey: ["brokers"] });
  return (
    <li>
      <div className="list-main">
        <strong>{connection.name}</strong>
        <span className="chip">{connection.broker}</span>
        <span className="muted">
          since {dateTime(connection.created_at)}
          {connection.rotated_at ? ` · changed ${dateTime(connection.rotated_at)}` : ""} · fingerprint{" "}
          <code>{connection.fingerprint}</code>
        </span>
      </div>
      <Button
        small
        kind="plain"
        onClick={() => setRotates(true)}
        aria-label={`Change the credentials of ${connection.name}`}
      >
        Change
      </Button>
      <ConfirmButton
        label="Delete"
        name={`Delete ${connection.name}`}
        title={`Delete ${connection.name}?`}
        act="Delete it"
        destroys
        onConfirm={async () => {
          await take(api.DELETE("/api/v1/broker-connections/{id}", { params: { path } }));
          tell(`${connection.name} is deleted.`);
          await changed();
        }}
      >
        <p>Its credentials are gone. What the broker holds stays there.</p>
      </ConfirmButton>
      {rotates && <Rotate connection={connection} onClose={() => setRotates(false)} />}
    </li>
  );
}

/** What is typed is gone with the dialog. */
function Rotate({ connection, onClose }: { connection: Connection; onClose: () => void }) {
  const client = useQueryClient();
  const [secrets, setSecrets] = useState<readonly Secret[]>([blank("key"), blank("secret")]);
  return (
    <Confirm
      title={`New credentials for ${connection.name}`}
      act="Change them"
      onClose={onClose}
      onConfirm={async () => {
        const params = { path: { id: connection.id } };
        const body = { credentials: credentials(secrets) };
        await take(api.PUT("/api/v1/broker-connections/{id}", { params, body }));
        tell("The credentials are changed.");
        await client.invalidateQueries({ queryKey: ["brokers"] });
      }}
    >
      {(wrong) => <Secrets error={wrong("credentials")} secrets={secrets} onChange={setSecrets} />}
    </Confirm>
  );
}

function Connect({ onClose }: { onClose: () => void }) {
  const client = useQueryClient();
  const [name, setName] = useState("");
  const [broker, setBroker] = useState("");
  const [secrets, setSecrets] = useState<readonly Secret[]>([blank("key"), blank("secret")]);
  return (
    <Panel title="New connection">
      <Form
        label="New connection"
        button="Keep it"
        beside={<Button onClick={onClose}>Leave it</Button>}
        onSubmit={async () => {
          const body = { name, broker, credentials: credentials(secrets) };
          await take(api.POST("/api/v1/broker-connections", { body }));
          await client.invalidateQueries({ queryKey: ["brokers"] });
          tell(`${name} is kept.`);
          onClose();
        }}
      >
        {(wrong) => (
          <>
            <p className="muted">
              What a broker gave you so that programs can trade there. It is kept sealed; no order goes to a broker yet.
            </p>
            <div className="pair">
              <TextField
                label="Name"
                required
                maxLength={60}
                value={name}
                error={wrong("name")}
                onChange={(event) => setName(event.target.value)}
              />
              <TextField
                label="Broker"
                required
                pattern="[a-z0-9_\-]{1,32}"
                hint="Its name in small letters, such as alpaca; digits, _ and - too."
                value={broker}
                error={wrong("broker")}
                onChange={(event) => setBroker(event.target.value)}
              />
            </div>
            <Secrets error={wrong("credentials")} secrets={secrets} onChange={setSecrets} />
          </>
        )}
      </Form>
    </Panel>
  );
}

interface SecretsProps {
  error: string | undefined;
  secrets: readonly Secret[];
  onChange: (secrets: readonly Secret[]) => void;
}

/** What a broker asks for, by its own names. */
function Secrets({ error, secrets, onChange }: SecretsProps) {
  const change = (id: number, part: Partial<Secret>) =>
    onChange(secrets.map((one) => (one.id === id ? { ...one, ...part } : one)));
  return (
    <fieldset className="scopes">
      <legend className="field-label">What the broker asks for, by its names</legend>
      {secrets.map(({ id, name, value }, index) => (
        <div key={id} className="pair secret-pair">
          <TextField
            label={`Field ${index + 1}`}
            required
            pattern="[a-z0-9_\-]{1,32}"
            value={name}
            onChange={(event) => change(id, { name: event.target.value })}
          />
          <TextField
            label="Its value"
            type="password"
            autoComplete="off"
            required
            value={value}
            onChange={(event) => change(id, { value: event.target.value })}
          />
          {secrets.length > 1 && (
            <Button
              kind="plain"
              aria-label={`Take field ${index + 1} away`}
              onClick={() => onChange(secrets.filter((one) => one.id !== id))}
            >
              ✕
            </Button>
          )}
        </div>
      ))}
      {secrets.length < FIELDS_MAX && (
        <Button small onClick={() => onChange([...secrets, blank()])}>
          One field more
        </Button>
      )}
      {error && (
        <span className="field-error" role="alert">
          {error}
        </span>
      )}
    </fieldset>
  );
}
