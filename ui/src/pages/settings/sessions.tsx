import { useQuery, useQueryClient } from "@tanstack/react-query";
import { api, type Schemas, take } from "../../api/client";
import { signOut } from "../../api/session";
import { ConfirmButton } from "../../components/confirm";
import { tell, tellError } from "../../components/notices";
import { Panel } from "../../components/panel";
import { Loaded } from "../../components/states";
import { ago, dateTime } from "../../format/time";
import { useSession } from "../../shell/user";

type Session = Schemas["SessionReport"];

/** "Firefox on Linux", as far as a client says what it is. */
export function device(agent: string): string {
  const found = (names: readonly (readonly [RegExp, string])[]) => names.find(([pattern]) => pattern.test(agent))?.[1];
  const browser = found([
    [/Edg\//, "Edge"],
    [/OPR\//, "Opera"],
    [/Firefox\//, "Firefox"],
    [/Chrom(e|ium)\//, "Chrome"],
    [/Safari\//, "Safari"],
    [/^curl\//, "curl"],
  ]);
  const system = found([
    [/Android/, "Android"],
    [/iPhone|iPad/, "iOS"],
    [/Windows/, "Windows"],
    [/Mac OS X/, "macOS"],
    [/Linux/, "Linux"],
  ]);
  if (browser && system) return `${browser} on ${system}`;
  return browser ?? (agent || "Unknown");
}

export function Sessions() {
  const { user } = useSession();
  const query = useQuery({ queryKey: ["sessions", user], queryFn: () => take(api.GET("/api/v1/sessions")) });
  return (
    <Panel title="Where you are signed in">
      <Loaded query={query}>
        {(sessions) => (
          <ul className="list">
            {sessions.map((session) => (
              <Row key={session.id} session={session} />
            ))}
          </ul>
        )}
      </Loaded>
    </Panel>
  );
}

function Row({ session }: { session: Session }) {
  const client = useQueryClient();
  const name = device(session.user_agent);
  return (
    <li>
      <div className="list-main">
        <strong title={session.user_agent}>{name}</strong>
        {session.is_current && <span className="chip good">This one</span>}
        <span className="muted">
          from {session.ip} · since {dateTime(session.created_at)} · used {ago(session.used_at)} ago
        </span>
      </div>
      {session.is_current ? (
        <ConfirmButton
          label="Sign out"
          title="Sign out here?"
          act="Sign out"
          onConfirm={() => signOut().catch(tellError)}
        >
          <p>You sign in again to go on.</p>
        </ConfirmButton>
      ) : (
        <ConfirmButton
          label="End"
          name={`End the session of ${name}`}
          title="End this session?"
          act="End it"
          destroys
          onConfirm={async () => {
            await take(api.DELETE("/api/v1/sessions/{id}", { params: { path: { id: session.id } } }));
            tell("The session has ended.");
            await client.invalidateQueries({ queryKey: ["sessions"] });
          }}
        >
          <p>
            {name}, from {session.ip}, is signed out at once. Orders that it placed stay.
          </p>
        </ConfirmButton>
      )}
    </li>
  );
}
