import type { UseQueryResult } from "@tanstack/react-query";
import { type ReactNode, useMemo, useState } from "react";
import { api, type Schemas, take } from "../../api/client";
import type { Control, LimitsInForce } from "../../api/reports";
import { Confirm } from "../../components/confirm";
import { Button } from "../../components/controls";
import { Meter, words } from "../../components/figures";
import { type Column, Grid } from "../../components/grid";
import { tell } from "../../components/notices";
import { Panel } from "../../components/panel";
import { Empty, Loaded } from "../../components/states";
import { duration, isDecimal, show, sign } from "../../format/number";
import { dateTime } from "../../format/time";
import { useMay } from "../../shell/user";
import { ChangeLimits } from "./limits";
import { type Account, useControls, useLimits, useProposals, useRefresh } from "./live";
import { accountName, countedText, isAbout, type Kill, limitText, type Names, scopeOf, whom } from "./say";

type Stopped = Schemas["Stopped"];

/** Kill switches that are engaged, and scopes that a control stopped. */
export function StandsStill({ stopped, names }: { stopped: UseQueryResult<Stopped>; names: Names }) {
  const mayControl = useMay("risk:write");
  const [releasing, setReleasing] = useState<Kill | null>(null);
  const refresh = useRefresh();
  const scope = scopeOf(releasing?.scope);
  const proposals = useProposals(false).data;
  const act = (kill: Kill) => {
    const target = scopeOf(kill.scope);
    if (!mayControl || !target) return null;
    const waits = proposals?.find(
      (one) => one.command === "release" && one.status === "pending" && isAbout(one.scope, target),
    );
    if (waits) return <span className="muted">Proposal {waits.number} to release it waits for a second person.</span>;
    return (
      <Button small aria-label={`Ask for release of ${whom(target, names)}`} onClick={() => setReleasing(kill)}>
        Ask for release
      </Button>
    );
  };
  const release = async (reason: string) => {
    if (!scope) return;
    const { status, proposal } = await take(api.POST("/api/v1/risk/release", { body: { scope, reason } }));
    tell(status === "waiting" ? `Proposal ${proposal} waits for a second person.` : "Released.");
    refresh();
  };
  return (
    <Panel title="What stands still" className="stands-still">
      <Loaded query={stopped} rows={3}>
        {({ kills, tripped }) =>
          kills.length + tripped.length === 0 ? (
            <Empty title="Nothing stands still">No kill switch is engaged, and no control has stopped anybody.</Empty>
          ) : (
            <ul className="stopped">
              {kills.map((kill) => (
                <li key={`${kill.scope?.kind}${kill.scope?.account}${kill.scope?.number}${kill.scope?.symbol}`}>
                  <span className="chip danger">Kill switch</span>
                  <span>
                    <strong>{whom(kill.scope, names)}</strong>: {kill.mode === "reduce_only" ? "may reduce" : "blocked"}
                    <br />
                    <span className="muted">
                      {kill.reason}
                      {kill.by ? `, ${kill.by}` : ""}
                    </span>
                  </span>
                  {act(kill)}
                </li>
              ))}
              {tripped.map((one) => (
                <li key={`${one.control}${one.scope?.account}${one.scope?.number}${one.scope?.symbol}`}>
                  <span className={one.stopped ? "chip danger" : "chip warn"}>{words(one.control)}</span>
                  <span>
                    <strong>{whom(one.scope, names)}</strong>: {one.stopped ? "stopped" : "goes on"}
                    <br />
                    <span className="muted figures">{countedText(one)}</span>
                  </span>
                </li>
              ))}
            </ul>
          )
        }
      </Loaded>
      {releasing && scope && (
        <Confirm
          title={`Release ${whom(scope, names)}`}
          act="Ask for the release"
          asksReason
          onConfirm={release}
          onClose={() => setReleasing(null)}
        >
          <p>
            It becomes a proposal. Nothing goes on until another person who may control approves it; it lapses after 24
            hours.
          </p>
        </Confirm>
      )}
    </Panel>
  );
}

interface LimitRow {
  name: string;
  limit: string;
  used?: number;
  max?: number;
  about: string;
}

/** Every limit of an account, with what is used of those whose use is told. */
export function limitRows(limits: LimitsInForce): LimitRow[] {
  const { used } = limits;
  const rows: LimitRow[] = [
    { name: "Open orders", limit: show(String(limits.max_open_orders)), max: limits.max_open_orders, about: "" },
    {
      name: "Largest position",
      limit: `${show(String(limits.max_position_lots))} lots`,
      max: limits.max_position_lots,
      about: "in one instrument; open orders of its direction count besides",
    },
    { name: "Order quantity", limit: `${show(String(limits.max_order_lots))} lots`, about: "of one order" },
    { name: "Order notional", limit: show(limits.max_order_notional), about: "of one order" },
    { name: "Credit", limit: show(limits.credit), about: "above cash, for open orders and positions" },
    { name: "Price collar", limit: `${limits.price_collar_bp / 100} %`, about: "from the reference" },
    {
      name: "Messages",
      limit: `${limits.messages_per_sec} a second`,
      about: `${limits.message_burst} may come at once`,
    },
  ];
  const [orders, position] = rows;
  if (used && orders) orders.used = used.open_orders;
  if (typeof used?.largest_position_lots === "number" && position) position.used = used.largest_position_lots;
  return rows;
}

export function Limits({ account, choice }: { account: Account | undefined; choice: ReactNode }) {
  const limits = useLimits(account?.id);
  const mayControl = useMay("risk:write");
  const [changes, setChanges] = useState(false);
  return (
    <Panel
      title={account ? `Limits of ${accountName(account)}` : "Limits"}
      className="limits"
      actions={
        <div className="row">
          {choice}
          {mayControl && limits.data && (
            <Button small onClick={() => setChanges(true)}>
              Change
            </Button>
          )}
        </div>
      }
    >
      {account ? (
        <Loaded query={limits} rows={7}>
          {(data) =>
            data ? (
              <ul className="limit-rows">
                {limitRows(data).map((row) => (
                  <li key={row.name}>
                    <span>
                      {row.name} <span className="muted">{row.about}</span>
                    </span>
                    <span className="figures">
                      {row.used !== undefined && `${show(String(row.used))} of `}
                      {row.limit}
                    </span>
                    {row.used !== undefined && row.max !== undefined && (
                      <Meter share={row.max > 0 ? row.used / row.max : row.used} label={`${row.name} in use`} />
                    )}
                  </li>
                ))}
              </ul>
            ) : (
              <Empty title="No limits yet">They are set when the account is open.</Empty>
            )
          }
        </Loaded>
      ) : (
        <Empty title="No account">Limits belong to accounts; there is none to look at.</Empty>
      )}
      {changes && account && limits.data && (
        <ChangeLimits account={account} limits={limits.data} onClose={() => setChanges(false)} />
      )}
    </Panel>
  );
}

function Counted({ control }: { control: Control }) {
  const { counted, limit } = control;
  if (!counted || !isDecimal(counted)) return <span className="muted">–</span>;
  const share = isDecimal(limit) && sign(limit) > 0 ? Number(counted) / Number(limit) : null;
  return (
    <span className="counted">
      {limitText({ control: control.control, limit: counted })}
      {share !== null && <Meter share={share} label={`${words(control.control)} in use`} />}
    </span>
  );
}

export function Controls({ names }: { names: Names }) {
  const controls = useControls();
  const columns = useMemo(
    (): Column<Control>[] => [
      { id: "scope", title: "Whom", value: (row) => whom(row.scope, names), cell: (row) => whom(row.scope, names) },
      { id: "control", title: "Control", value: (row) => row.control, cell: (row) => words(row.control) },
      { id: "limit", title: "Limit", figure: true, value: (row) => row.limit, cell: limitText },
      { id: "counted", title: "Used", figure: true, cell: (row) => <Counted control={row} /> },
      {
        id: "window",
        title: "Within",
        figure: true,
        value: (row) => row.window_ms,
        cell: (row) => (typeof row.window_ms !== "number" ? "–" : duration(row.window_ms * 1e6)),
      },
      {
        id: "action",
        title: "Does",
        value: (row) => row.action,
        cell: (row) => (row.action ? words(row.action) : "Refuses"),
      },
      {
        id: "by",
        title: "Set by",
        value: (row) => row.changed_by,
        cell: (row) => (
          <span title={[row.reason, row.changed_at && dateTime(row.changed_at)].filter(Boolean).join(", ")}>
            {row.changed_by ?? "configuration"}
          </span>
        ),
      },
    ],
    [names],
  );
  return (
    <Panel title="Controls in force" className="controls" flush>
      <Loaded query={controls} rows={6}>
        {(rows) => (
          <Grid
            label="Controls in force"
            rows={rows}
            columns={columns}
            rowKey={(row) => `${JSON.stringify(row.scope)}${row.control}${row.limit}${row.window_ms}`}
            empty={<Empty title="No controls beside limits" />}
          />
        )}
      </Loaded>
    </Panel>
  );
}
