import { useMemo, useState } from "react";
import { useLocation } from "wouter";
import type { Schemas } from "../../api/client";
import { Button } from "../../components/controls";
import { words } from "../../components/figures";
import { type Column, Grid } from "../../components/grid";
import { Panel } from "../../components/panel";
import { Empty, Loaded } from "../../components/states";
import { show } from "../../format/number";
import { dateTime } from "../../format/time";
import { useEverybodysAccounts } from "../../shell/user";

type Account = Schemas["AccountReport"];

/** An amount of each currency, the base currency first. */
function amounts({ balances }: Account, name: "cash" | "realised"): string {
  return balances.map((one) => `${show(one[name], 2)} ${one.currency}`).join(" · ");
}

const COLUMNS: Column<Account>[] = [
  { id: "name", title: "Account", value: (one) => one.name, cell: (one) => <strong>{one.name}</strong> },
  { id: "owner", title: "Owner", value: (one) => one.owner, cell: (one) => <code>{one.owner}</code> },
  { id: "kind", title: "Kind", value: (one) => one.kind, cell: (one) => words(one.kind) },
  { id: "status", title: "State", value: (one) => one.status, cell: (one) => words(one.status) },
  {
    id: "cash",
    title: "Cash",
    figure: true,
    value: (one) => one.balances[0]?.cash,
    cell: (one) => amounts(one, "cash"),
  },
  {
    id: "realised",
    title: "Realised",
    figure: true,
    value: (one) => one.balances[0]?.realised,
    cell: (one) => amounts(one, "realised"),
  },
  { id: "since", title: "Since", value: (one) => one.created_at, cell: (one) => dateTime(one.created_at) },
];

/** Everybody's accounts. */
export function Accounts() {
  const [, go] = useLocation();
  const [filter, setFilter] = useState("");
  const query = useEverybodysAccounts();
  const rows = useMemo(() => {
    const wanted = filter.trim().toLowerCase();
    const all = query.data?.pages.flatMap((one) => one.data) ?? [];
    return all.filter((one) => `${one.name} ${one.owner} ${one.id} ${one.kind}`.toLowerCase().includes(wanted));
  }, [query.data, filter]);
  return (
    <Panel
      title="Everybody's accounts"
      flush
      className="admin-table"
      actions={
        <span className="row">
          <input
            className="input admin-filter"
            type="search"
            aria-label="Search the loaded accounts"
            placeholder="Name, owner, identifier"
            value={filter}
            onChange={(event) => setFilter(event.target.value)}
          />
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
            label="Accounts"
            rows={rows}
            columns={COLUMNS}
            rowKey={(one) => one.id}
            onOpen={(one) => go(`/risk?account=${one.id}`)}
            empty={<Empty title="No accounts">Nobody has opened one that fits.</Empty>}
          />
        )}
      </Loaded>
    </Panel>
  );
}
