import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, type Schemas, take } from "../../api/client";
import { ConfirmButton } from "../../components/confirm";
import { Select, TextField } from "../../components/controls";
import { words } from "../../components/figures";
import { Form } from "../../components/form";
import { tell } from "../../components/notices";
import { Panel } from "../../components/panel";
import { Empty, Loaded } from "../../components/states";
import { day } from "../../format/time";
import { useSession } from "../../shell/user";

type Rank = Schemas["Rank"];
type Organisation = Schemas["Organisation"];

export function Organisations() {
  const { user } = useSession();
  const query = useQuery({ queryKey: ["organisations", user], queryFn: () => take(api.GET("/api/v1/organisations")) });
  return (
    <>
      <Loaded query={query}>
        {(all) =>
          all.length === 0 ? (
            <Panel title="Yours">
              <Empty title="You are in no organisation">
                Owners and admins of one see the accounts of its members; nothing else is shared.
              </Empty>
            </Panel>
          ) : (
            all.map((one) => <Members key={one.id} organisation={one} />)
          )
        }
      </Loaded>
      <div className="pair">
        <Create />
        <Join />
      </div>
    </>
  );
}

/** Who may take whom in and out: owners everybody, admins members. */
function decides(mine: Rank, theirs: Rank): boolean {
  return mine === "owner" || (mine === "admin" && theirs === "member");
}

function Members({ organisation: { id, name, rank } }: { organisation: Organisation }) {
  const { user } = useSession();
  const client = useQueryClient();
  const path = { id };
  const query = useQuery({
    queryKey: ["members", id],
    queryFn: () => take(api.GET("/api/v1/organisations/{id}/members", { params: { path } })),
  });
  const remove = async (member: string) => {
    const params = { path: { id, user: member } };
    await take(api.DELETE("/api/v1/organisations/{id}/members/{user}", { params }));
    await client.invalidateQueries({ queryKey: [member === user ? "organisations" : "members"] });
  };
  return (
    <Panel title={name} actions={<span className="chip">You: {words(rank)}</span>}>
      <Loaded query={query}>
        {(members) => (
          <ul className="list">
            {members.map((member) => (
              <li key={member.user}>
                <div className="list-main">
                  <strong>{member.name}</strong>
                  <span className="chip">{words(member.rank)}</span>
                  <span className="muted">
                    {member.email} · since {day(member.joined_at)}
                  </span>
                </div>
                {member.user === user ? (
                  <ConfirmButton
                    label="Leave"
                    name={`Leave ${name}`}
                    title={`Leave ${name}?`}
                    act="Leave it"
                    destroys
                    onConfirm={() => remove(member.user)}
                  >
                    <p>Its owners and admins see your accounts no more. You need an invitation to come back.</p>
                  </ConfirmButton>
                ) : (
                  decides(rank, member.rank) && (
                    <ConfirmButton
                      label="Remove"
                      name={`Remove ${member.name}`}
                      title={`Remove ${member.name} from ${name}?`}
                      act="Remove"
                      destroys
                      onConfirm={() => remove(member.user)}
                    >
                      <p>{member.name} leaves the organisation, and keeps all accounts. You see them no more.</p>
                    </ConfirmButton>
                  )
                )}
              </li>
            ))}
          </ul>
        )}
      </Loaded>
      {rank !== "member" && <Invite id={id} rank={rank} />}
    </Panel>
  );
}

function Invite({ id, rank: mine }: { id: string; rank: Rank }) {
  const [email, setEmail] = useState("");
  const [rank, setRank] = useState<Rank>("member");
  const all: readonly Rank[] = ["member", "admin", "owner"];
  return (
    <div className="list-form">
      <Form
        label="Invite somebody"
        button="Invite"
        onSubmit={async () => {
          const params = { path: { id } };
          await take(api.POST("/api/v1/organisations/{id}/invites", { params, body: { email, rank } }));
          tell(`A mail asks ${email} to join; it is good for a week.`);
          setEmail("");
        }}
      >
        {(wrong) => (
          <div className="pair">
            <TextField
              label="Invite by e-mail"
              type="email"
              required
              value={email}
              error={wrong("email")}
              onChange={(event) => setEmail(event.target.value)}
            />
            <Select
              label="As"
              value={rank}
              options={all.filter((one) => decides(mine, one)).map((one) => [one, words(one)] as const)}
              onChange={setRank}
            />
          </div>
        )}
      </Form>
    </div>
  );
}

function Create() {
  const client = useQueryClient();
  const [name, setName] = useState("");
  return (
    <Panel title="Make one">
      <Form
        label="Make an organisation"
        button="Make it"
        onSubmit={async () => {
          await take(api.POST("/api/v1/organisations", { body: { name } }));
          setName("");
          await client.invalidateQueries({ queryKey: ["organisations"] });
        }}
      >
        {(wrong) => (
          <TextField
            label="Name of the organisation"
            required
            maxLength={100}
            value={name}
            error={wrong("name")}
            onChange={(event) => setName(event.target.value)}
          />
        )}
      </Form>
    </Panel>
  );
}

function Join() {
  const client = useQueryClient();
  const [token, setToken] = useState("");
  return (
    <Panel title="Join one">
      <Form
        label="Join an organisation"
        button="Join"
        onSubmit={async () => {
          await take(api.POST("/api/v1/organisations/join", { body: { token: token.trim() } }));
          setToken("");
          tell("You have joined.");
          await client.invalidateQueries({ queryKey: ["organisations"] });
        }}
      >
        {(wrong) => (
          <TextField
            label="Token of the invitation"
            hint="Its owners and admins will see your accounts."
            required
            autoComplete="off"
            spellCheck={false}
            value={token}
            error={wrong("token")}
            onChange={(event) => setToken(event.target.value)}
          />
        )}
      </Form>
    </Panel>
  );
}
