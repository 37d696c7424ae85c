import { api, take } from "../../api/client";
import "./system.css";
import { useQuery } from "@tanstack/react-query";
import { type ReactNode, useMemo, useRef, useState } from "react";
import type { System as Told } from "../../api/reports";
import { TextField } from "../../components/controls";
import { Meter, words } from "../../components/figures";
import { type Column, Grid } from "../../components/grid";
import { Panel } from "../../components/panel";
import { Empty, Failed, Loading } from "../../components/states";
import { show, sign, subtract } from "../../format/number";
import { ago, clock, date, dateTime } from "../../format/time";
import { LatencyPanels } from "./latency";
import { Recent } from "./recent";
import { type Counted, rate } from "./waterfall";

const EVERY_MS = 1_000;
/** Rates are of so many seconds, so that they are calm. */
const RATE_OVER = 5;
/** A market that is silent for so long is stale; what runs tells something every second. */
const STALE_MS = 5_000;

/** How many a second, of a sum that is told every second. */
function useRate(count: number | undefined, at: number): number | null {
  const samples = useRef<Counted[]>([]);
  const last = samples.current.at(-1);
  if (count !== undefined && last?.at !== at) {
    const next = last && count < last.count ? [] : samples.current;
    samples.current = [...next, { at, count }].slice(-RATE_OVER - 1);
  }
  return rate(samples.current);
}

export default function System() {
  const system = useQuery({
    queryKey: ["system"],
    queryFn: () => take(api.GET("/api/v1/system")),
    refetchInterval: EVERY_MS,
  });
  return (
    <div className="page desk system">
      <div className="row spread">
        <h1>System</h1>
        {system.data && system.isError && (
          <span className="chip warn" role="status">
            Not heard since {clock(system.dataUpdatedAt)}
          </span>
        )}
      </div>
      {system.data ? (
        <Parts told={system.data} at={system.dataUpdatedAt} />
      ) : system.error ? (
        <Panel title="Engine, feed, journal">
          <Failed error={system.error} retry={() => void system.refetch()} />
        </Panel>
      ) : (
        <Loading rows={8} />
      )}
      <div className="system-parts">
        <LatencyPanels />
        {system.data?.engine && <Clients clients={system.data.engine.clients} now={system.data.engine.at} />}
        {system.data && <Counters counters={system.data.counters} />}
      </div>
    </div>
  );
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </>
  );
}

/** Inputs that something is behind the newest. */
function behind(seq: string, of: string): string {
  const difference = subtract(seq, of);
  return sign(difference) <= 0 ? "none" : show(difference);
}

function Parts({ told, at }: { told: Told; at: number }) {
  const { engine, feed, gateway } = told;
  const events = useRate(feed?.market_events, at);
  const inputs = useRate(engine ? Number(engine.seq) : undefined, at);
  return (
    <>
      {(!engine?.alive || !gateway.engine_connected) && (
        <p className="banner danger" role="alert">
          <strong>{engine && !engine.alive ? "The engine has stopped." : "The engine does not answer."}</strong> Orders
          are not taken until it does.
        </p>
      )}
      {engine?.waits_for_release && (
        <p className="banner danger" role="alert">
          <strong>The engine takes no input:</strong> disk or followers take too long to let outputs leave.
        </p>
      )}
      <div className="system-cards">
        <Panel title="Engine" actions={<State isGood={engine?.alive ?? false} good="Runs" bad="Stopped" />}>
          {engine ? (
            <dl className="facts">
              <Fact name="Version">{engine.version}</Fact>
              <Fact name="Input">{show(engine.seq)}</Fact>
              <Fact name="Inputs a second">{inputs === null ? "–" : show(inputs.toFixed(0))}</Fact>
              <Fact name="Its time">{clock(engine.at)}</Fact>
              <Fact name="Behind this clock">{ago(engine.at, at)}</Fact>
              <Fact name="State hash">{/[1-9a-f]/.test(engine.state_hash) ? engine.state_hash : "–"}</Fact>
            </dl>
          ) : (
            <Empty title="It does not answer" />
          )}
        </Panel>
        <Panel title="Feed" actions={engine && feed && <Freshness last={feed.last_at ?? null} now={engine.at} />}>
          {feed ? (
            <dl className="facts">
              <Fact name="Events a second">{events === null ? "–" : show(events.toFixed(0))}</Fact>
              <Fact name="Events">{show(String(feed.market_events))}</Fact>
              <Fact name="Gaps">{alarm(feed.gaps)}</Fact>
              <Fact name="Unknown orders">{alarm(feed.unknown_orders)}</Fact>
              <Fact name="Refused">{alarm(feed.refused_events)}</Fact>
              <Fact name="Last heard">{feed.last_at ? clock(feed.last_at) : "not yet"}</Fact>
            </dl>
          ) : (
            <Empty title="Not known" />
          )}
        </Panel>
        <Panel
          title="Journal"
          actions={engine && <State isGood={!engine.waits_for_release} good="Releases" bad="Waits" />}
        >
          {engine ? (
            <dl className="facts">
              <Fact name="Release level">{words(engine.release_level)}</Fact>
              <Fact name="Behind on disk">{behind(engine.seq, engine.synced_seq)}</Fact>
              <Fact name="Synced to">{show(engine.synced_seq)}</Fact>
              <Fact name="Standby">{engine.replicated_seq === "0" ? "none" : "follows"}</Fact>
              <Fact name="Behind at the standby">
                {engine.replicated_seq === "0" ? "–" : behind(engine.seq, engine.replicated_seq)}
              </Fact>
              <Fact name="Replicated to">{engine.replicated_seq === "0" ? "–" : show(engine.replicated_seq)}</Fact>
            </dl>
          ) : (
            <Empty title="Not known" />
          )}
        </Panel>
        <Panel title="Gateway" actions={<State isGood={gateway.engine_connected} good="Connected" bad="No engine" />}>
          <dl className="facts">
            <Fact name="Version">{gateway.version}</Fact>
            <Fact name="Runs for">
              <span title={dateTime(gateway.started_at)}>{ago(gateway.started_at, at)}</span>
            </Fact>
            <Fact name="Streams of clients">{show(String(gateway.streams_open))}</Fact>
          </dl>
          {engine && (
            <div className="stack seats">
              <Seats name="Sessions of the engine" open={engine.sessions_open} max={engine.sessions_max} />
              <Seats name="Streams of the engine" open={engine.streams_open} max={engine.streams_max} />
            </div>
          )}
        </Panel>
      </div>
      <Recent rate={events} at={at} />
    </>
  );
}

function alarm(count: number): ReactNode {
  return count > 0 ? <span className="warn">▲ {show(String(count))}</span> : "0";
}

function State({ isGood, good, bad }: { isGood: boolean; good: string; bad: string }) {
  return <span className={isGood ? "chip good" : "chip danger"}>{isGood ? `● ${good}` : `○ ${bad}`}</span>;
}

/** Both times are the server's: a clock that is wrong here makes no feed stale. */
function Freshness({ last, now }: { last: string | null; now: string }) {
  const silent = last === null ? null : date(now).getTime() - date(last).getTime();
  if (silent === null) return <span className="chip warn">Not heard yet</span>;
  return silent > STALE_MS ? (
    <span className="chip danger">○ Silent for {ago(0, silent)}</span>
  ) : (
    <span className="chip good">● Fresh</span>
  );
}

function Seats({ name, open, max }: { name: string; open: number; max: number }) {
  return (
    <div>
      <div className="row spread">
        <span className="muted">{name}</span>
        <span className="figures">
          {show(String(open))} of {show(String(max))}
        </span>
      </div>
      <Meter share={max > 0 ? open / max : 0} label={`${name} taken`} />
    </div>
  );
}

type Client = NonNullable<Told["engine"]>["clients"][number];

/** Who has called the engine: the gateway, other sidecars, strategies, tools. */
function Clients({ clients, now }: { clients: Client[]; now: string }) {
  const columns = useMemo(() => {
    const seen = (row: Client) => date(now).getTime() - date(row.last_call_at).getTime();
    const isHere = (row: Client) => row.streams_open + row.seats_open > 0 || seen(row) < STALE_MS;
    const all: Column<Client>[] = [
      { id: "name", title: "Client", value: (row) => row.name, cell: (row) => row.name ?? "without a token" },
      {
        id: "state",
        title: "State",
        value: (row) => Number(isHere(row)),
        cell: (row) => <State isGood={isHere(row)} good="Connected" bad="Gone" />,
      },
      {
        id: "streams",
        title: "Streams",
        figure: true,
        value: (row) => row.streams_open,
        cell: (row) => show(String(row.streams_open)),
      },
      {
        id: "seats",
        title: "In shared memory",
        figure: true,
        value: (row) => row.seats_open,
        cell: (row) => show(String(row.seats_open)),
      },
      {
        id: "called",
        title: "Last call",
        value: (row) => row.last_call_at,
        cell: (row) => <span title={dateTime(row.last_call_at)}>{ago(0, seen(row))} ago</span>,
      },
    ];
    return all;
  }, [now]);
  return (
    <Panel title="Sessions and sidecars" className="clients" flush>
      <Grid
        label="Clients of the engine"
        rows={clients}
        columns={columns}
        rowKey={(row) => `${row.principal ?? ""} ${row.name ?? ""}`}
        empty={<Empty title="Nobody has called" />}
      />
    </Panel>
  );
}

interface Counter {
  name: string;
  count: number;
}

const COUNTER_COLUMNS: Column<Counter>[] = [
  { id: "name", title: "Counter", value: (row) => row.name, cell: (row) => <code>{row.name}</code> },
  { id: "count", title: "Count", figure: true, value: (row) => row.count, cell: (row) => show(String(row.count)) },
];

function Counters({ counters }: { counters: Record<string, number> }) {
  const [text, setText] = useState("");
  const rows = useMemo(() => {
    const all = Object.entries(counters).map(([name, count]) => ({ name, count }));
    return all.filter((row) => row.name.includes(text.trim().toLowerCase()));
  }, [counters, text]);
  return (
    <Panel title="Counters" className="counters" flush>
      <div className="filter">
        <TextField
          label={<span className="unseen">Counters whose name has</span>}
          placeholder="Filter"
          type="search"
          value={text}
          onChange={(event) => setText(event.target.value)}
        />
      </div>
      <Grid
        label="Counters"
        rows={rows}
        columns={COUNTER_COLUMNS}
        rowKey={(row) => row.name}
        empty={<Empty title={text ? "No counter has that name" : "No counters"} />}
      />
    </Panel>
  );
}
