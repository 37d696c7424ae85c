import { useInfiniteQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { useSearchParams } from "wouter";
import { api, page, type Schemas } from "../../api/client";
import { Button, TextField } from "../../components/controls";
import { Dialog } from "../../components/dialog";
import { Facts } from "../../components/facts";
import { type Column, Grid } from "../../components/grid";
import { Panel } from "../../components/panel";
import { Empty, Loaded } from "../../components/states";
import { clockMs, day, fromLocalField } from "../../format/time";
import { useMay } from "../../shell/user";
import { useUsers } from "./users";

type AuditRow = Schemas["AuditRow"];

const PAGE = 100;

/** The milliseconds since the epoch that a field of a time says, in the user's zone; nothing where it says none. */
function ms(text: string): number | undefined {
  const at = fromLocalField(text);
  return Number.isNaN(at) ? undefined : at;
}

/** The columns, with the e-mails of users who are known by their UUID. A press on one asks for all that this user did. */
const columnsOf = (emails: ReadonlyMap<string, string>, ask: (actor: string) => void): Column<AuditRow>[] => [
  { id: "seq", title: "No.", figure: true, value: (row) => row.seq, cell: (row) => row.seq },
  {
    id: "at",
    title: "When",
    value: (row) => row.at,
    cell: (row) => (
      <span className="figures">
        {day(row.at)} {clockMs(row.at)}
      </span>
    ),
  },
  { id: "action", title: "What", value: (row) => row.action, cell: (row) => <strong>{row.action}</strong> },
  {
    id: "actor",
    title: "Who",
    value: (row) => emails.get(row.actor) ?? row.actor,
    cell: (row) =>
      row.actor ? (
        <button type="button" className="link-button" title={row.actor} onClick={() => ask(row.actor)}>
          {emails.get(row.actor) ?? <code>{brief(row.actor)}</code>}
        </button>
      ) : (
        <span className="muted">a stranger</span>
      ),
  },
  { id: "target", title: "To what", value: (row) => row.target, cell: (row) => <code>{brief(row.target)}</code> },
  { id: "ip", title: "From", value: (row) => row.ip, cell: (row) => row.ip },
  {
    id: "detail",
    title: "Particulars",
    cell: (row) => <span className="audit-brief muted">{JSON.stringify(row.detail)}</span>,
  },
];

function brief(name: string): string {
  return name.length > 20 ? `${name.slice(0, 13)}…` : name || "–";
}

/** What was done, the newest first. Rows are chained by their hashes; `tidegate gateway verify-audit` compares them. */
export function Audit() {
  const [params] = useSearchParams();
  const [actor, setActor] = useState("");
  const [action, setAction] = useState("");
  const [target, setTarget] = useState(params.get("target") ?? "");
  const [from, setFrom] = useState("");
  const [to, setTo] = useState("");
  const [opened, setOpened] = useState<AuditRow | null>(null);
  const asked = { actor: actor.trim(), action: action.trim(), target: target.trim(), from: ms(from), to: ms(to) };
  const given = Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== undefined && value !== ""));
  const query = useInfiniteQuery({
    queryKey: ["audit", given],
    queryFn: ({ pageParam }) => {
      const filter = { ...given, limit: PAGE, ...(pageParam ? { cursor: pageParam } : {}) };
      return page(api.GET("/api/v1/audit", { params: { query: filter } }));
    },
    initialPageParam: "",
    getNextPageParam: (last) => last.meta.next_cursor ?? undefined,
    placeholderData: (before) => before,
  });
  const users = useUsers(useMay("users:admin")).data;
  const emails = useMemo(
    () => new Map(users?.pages.flatMap((one) => one.data).map((user) => [user.id, user.email])),
    [users],
  );
  const columns = useMemo(() => columnsOf(emails, setActor), [emails]);
  const rows = useMemo(() => query.data?.pages.flatMap((one) => one.data) ?? [], [query.data]);
  return (
    <>
      <search className="audit-filters">
        <TextField
          label="What"
          placeholder="order.submit"
          value={action}
          onChange={(event) => setAction(event.target.value)}
        />
        <TextField label="Who (identifier)" value={actor} onChange={(event) => setActor(event.target.value)} />
        <TextField label="To what" value={target} onChange={(event) => setTarget(event.target.value)} />
        <TextField
          label="Not before"
          type="datetime-local"
          value={from}
          onChange={(event) => setFrom(event.target.value)}
        />
        <TextField label="Before" type="datetime-local" value={to} onChange={(event) => setTo(event.target.value)} />
      </search>
      <Panel
        title={`Audit log (${rows.length}${query.hasNextPage ? " of more" : ""})`}
        flush
        className="admin-table"
        actions={
          <span className="row">
            <Button small busy={query.isRefetching} onClick={() => void query.refetch()}>
              Ask anew
            </Button>
            {query.hasNextPage && (
              <Button small busy={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>
                Load more
              </Button>
            )}
          </span>
        }
      >
        <Loaded query={query} rows={10}>
          {() => (
            <Grid
              label="Audit log"
              rows={rows}
              columns={columns}
              rowKey={(row) => String(row.seq)}
              onOpen={setOpened}
              empty={<Empty title="No rows">Nothing that fits was done.</Empty>}
            />
          )}
        </Loaded>
      </Panel>
      {opened && (
        <Dialog title={`${opened.action}, number ${opened.seq}`} wide onClose={() => setOpened(null)}>
          <div className="stack">
            <Facts
              facts={[
                ["When", `${day(opened.at)} ${clockMs(opened.at)}`],
                ...(emails.has(opened.actor) ? [["E-mail", emails.get(opened.actor)] as const] : []),
                ["Who", <code key="who">{opened.actor || "a stranger"}</code>],
                ["To what", <code key="what">{opened.target || "–"}</code>],
                ["From", opened.ip],
                ["Request", <code key="request">{opened.request_id}</code>],
                ["Hash", <code key="hash">{opened.hash}</code>],
              ]}
            />
            {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by the keyboard */}
            <pre className="audit-detail" tabIndex={0}>
              {JSON.stringify(opened.detail, null, 2)}
            </pre>
          </div>
        </Dialog>
      )}
    </>
  );
}
