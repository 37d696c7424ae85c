import { useInfiniteQuery, useQueryClient } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { api, page, type Schemas, take } from "../../api/client";
import { Confirm } from "../../components/confirm";
import { Button, Select, TextField } from "../../components/controls";
import { words } from "../../components/figures";
import { type Column, Grid } from "../../components/grid";
import { tell } from "../../components/notices";
import { Panel } from "../../components/panel";
import { Empty, Loaded } from "../../components/states";
import { day } from "../../format/time";
import { useSession } from "../../shell/user";

export type User = Schemas["User"];
type Role = Schemas["Role"];
type Plan = Schemas["Plan"];

/** Rows of a page. */
const PAGE = 100;

const ROLES: readonly (readonly [Role, string])[] = [
  ["viewer", "Viewer"],
  ["trader", "Trader"],
  ["risk_officer", "Risk officer"],
  ["administrator", "Administrator"],
  ["agent", "Agent"],
];

const PLANS: readonly (readonly [Plan, string])[] = [
  ["free", "Free"],
  ["basic", "Basic"],
  ["pro", "Pro"],
  ["enterprise", "Enterprise"],
];

/** What a role may, for the person who gives it. */
const MAY: Record<Role, string> = {
  viewer: "sees the market and own accounts, and changes nothing",
  trader: "opens accounts and places orders",
  risk_officer: "sees everybody's accounts, sets limits and stops trading; does not trade",
  administrator: "decides about users and instruments, sets limits and stops trading; does not trade",
  agent: "places orders as a program; changes no credentials",
};

/** Users, page by page, for who decides about them. */
export function useUsers(enabled = true) {
  return useInfiniteQuery({
    queryKey: ["users"],
    queryFn: ({ pageParam }) =>
      page(
        api.GET("/api/v1/users", { params: { query: { limit: PAGE, ...(pageParam ? { cursor: pageParam } : {}) } } }),
      ),
    initialPageParam: "",
    getNextPageParam: (last) => last.meta.next_cursor ?? undefined,
    enabled,
  });
}

export function Users() {
  const [filter, setFilter] = useState("");
  const [changes, setChanges] = useState<User | null>(null);
  const [creates, setCreates] = useState(false);
  const query = useUsers();
  const users = useMemo(() => query.data?.pages.flatMap((one) => one.data) ?? [], [query.data]);
  const wanted = filter.trim().toLowerCase();
  const rows = useMemo(
    () =>
      users.filter((user) =>
        `${user.name} ${user.email} ${user.role} ${user.plan} ${user.id}`.toLowerCase().includes(wanted),
      ),
    [users, wanted],
  );
  return (
    <>
      <Panel
        title={`Users (${users.length}${query.hasNextPage ? " of more" : ""})`}
        flush
        className="admin-table"
        actions={
          <span className="row">
            <input
              className="input admin-filter"
              type="search"
              aria-label="Search the loaded users"
              placeholder="Name, address, role"
              value={filter}
              onChange={(event) => setFilter(event.target.value)}
            />
            {query.hasNextPage && (
              <Button small busy={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>
                Load more
              </Button>
            )}
            <Button small onClick={() => setCreates(true)}>
              New user
            </Button>
          </span>
        }
      >
        <Loaded query={query} rows={10}>
          {() => (
            <Grid
              label="Users"
              rows={rows}
              columns={COLUMNS}
              rowKey={(user) => user.id}
              onOpen={setChanges}
              empty={
                <Empty title="Nobody fits">{query.hasNextPage && "Perhaps among those that are not loaded yet."}</Empty>
              }
            />
          )}
        </Loaded>
      </Panel>
      {changes && <ChangeUser user={changes} onClose={() => setChanges(null)} />}
      {creates && <CreateUser onClose={() => setCreates(false)} />}
    </>
  );
}

const COLUMNS: Column<User>[] = [
  { id: "name", title: "Name", value: (user) => user.name, cell: (user) => <strong>{user.name}</strong> },
  {
    id: "email",
    title: "E-mail",
    value: (user) => user.email,
    cell: (user) => (
      <>
        {user.email} {!user.email_verified && <span className="muted">(not verified)</span>}
      </>
    ),
  },
  { id: "role", title: "Role", value: (user) => user.role, cell: (user) => words(user.role) },
  { id: "plan", title: "Plan", value: (user) => user.plan, cell: (user) => words(user.plan) },
  {
    id: "totp",
    title: "Second factor",
    value: (user) => Number(user.totp_enabled),
    cell: (user) => (user.totp_enabled ? "On" : <span className="muted">Off</span>),
  },
  {
    id: "state",
    title: "State",
    value: (user) => Number(user.disabled),
    cell: (user) =>
      user.disabled ? <span className="chip danger">Disabled</span> : <span className="chip good">Active</span>,
  },
  {
    id: "principal",
    title: "Principal",
    figure: true,
    value: (user) => user.principal,
    cell: (user) => user.principal,
  },
  { id: "since", title: "Since", value: (user) => user.created_at, cell: (user) => day(user.created_at) },
];

/** What changes for somebody, in words. */
export function consequences(user: User, role: Role, plan: string, disabled: boolean): string[] {
  const list: string[] = [];
  if (role !== user.role) {
    list.push(`${user.name} becomes ${words(role).toLowerCase()}: ${MAY[role]}.`);
    const controls = (one: Role) => one === "risk_officer" || one === "administrator";
    if (controls(role) && !controls(user.role)) {
      list.push("Who controls does not trade: close positions first, and end open orders.");
    }
  }
  if (plan !== user.plan) list.push(`The plan becomes ${words(plan)}; its limits hold from the next order.`);
  if (disabled && !user.disabled) list.push("Sessions and API keys end at once, and log-ins are refused. Orders stay.");
  if (!disabled && user.disabled) list.push(`${user.name} may log in again. API keys that were revoked stay so.`);
  return list;
}

/** Two steps: what to change, and what that means. */
export function ChangeUser({ user, onClose }: { user: User; onClose: () => void }) {
  const me = useSession().user;
  const client = useQueryClient();
  const [role, setRole] = useState<Role>(user.role);
  const [plan, setPlan] = useState(user.plan as Plan);
  const [disabled, setDisabled] = useState(user.disabled);
  const changes = consequences(user, role, plan, disabled);
  const isSelf = user.id === me;
  return (
    <Confirm
      title={`${user.name} (${user.email})`}
      act={changes.length > 0 ? "Change it so" : "Close"}
      destroys={disabled && !user.disabled}
      onClose={onClose}
      onConfirm={async () => {
        if (changes.length === 0) return;
        const body = {
          ...(role !== user.role ? { role } : {}),
          ...(plan !== user.plan ? { plan } : {}),
          ...(disabled !== user.disabled ? { disabled } : {}),
        };
        await take(api.PATCH("/api/v1/users/{id}", { params: { path: { id: user.id } }, body }));
        tell(`${user.name} is changed.`);
        await client.invalidateQueries({ queryKey: ["users"] });
      }}
    >
      {(wrong) => (
        <>
          {isSelf && <p className="banner warn">Nobody changes oneself. Ask another administrator.</p>}
          <Select
            label="Role"
            value={role}
            options={ROLES}
            onChange={setRole}
            error={wrong("role")}
            disabled={isSelf}
          />
          <Select
            label="Plan"
            value={plan}
            options={PLANS}
            onChange={setPlan}
            error={wrong("plan")}
            disabled={isSelf}
          />
          <label className="row">
            <input
              type="checkbox"
              checked={disabled}
              disabled={isSelf}
              onChange={(event) => setDisabled(event.target.checked)}
            />
            Shut out
          </label>
          <div className="consequences" role="status">
            {changes.length > 0 ? (
              <ul>
                {changes.map((text) => (
                  <li key={text}>{text}</li>
                ))}
              </ul>
            ) : (
              <span className="muted">Nothing is changed yet.</span>
            )}
          </div>
          <p>
            <a className="to-audit" href={`/admin?target=${user.id}#audit`}>
              What was done to this user
            </a>
          </p>
        </>
      )}
    </Confirm>
  );
}

function CreateUser({ onClose }: { onClose: () => void }) {
  const client = useQueryClient();
  const [email, setEmail] = useState("");
  const [name, setName] = useState("");
  const [role, setRole] = useState<Role>("trader");
  return (
    <Confirm
      title="New user"
      act="Make the user"
      onClose={onClose}
      onConfirm={async () => {
        await take(api.POST("/api/v1/users", { body: { email, name, role } }));
        tell(`${name} is made; a mail lets ${email} set a password.`);
        await client.invalidateQueries({ queryKey: ["users"] });
      }}
    >
      {(wrong) => (
        <>
          <TextField
            label="Name"
            required
            maxLength={100}
            value={name}
            error={wrong("name")}
            onChange={(event) => setName(event.target.value)}
          />
          <TextField
            label="E-mail"
            type="email"
            required
            value={email}
            error={wrong("email")}
            hint="A mail lets the user set a password."
            onChange={(event) => setEmail(event.target.value)}
          />
          <Select label="Role" value={role} options={ROLES} onChange={setRole} hint={`Who ${MAY[role]}.`} />
        </>
      )}
    </Confirm>
  );
}
