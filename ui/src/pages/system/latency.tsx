import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api, take } from "../../api/client";
import type { Latency, LatencyFigures, Way } from "../../api/reports";
import { Segments } from "../../components/controls";
import { words } from "../../components/figures";
import { Panel } from "../../components/panel";
import { Empty, Loaded } from "../../components/states";
import { duration, short } from "../../format/number";
import { clock, clockMs } from "../../format/time";
import { OF_MARKET, STAGES } from "./stages";
import { type Bar, decades, place, stepsOf, waterfall } from "./waterfall";

const EVERY_MS = 1_000;
/** What a path may take if the engine names no budget. */
const BUDGET_NS = 50_000_000;
/** From 1 µs to 1 s. */
const AXIS = [1e3, 1e9] as const;
const PATHS = new Set(["order", "fill"]);
const POINTS = [
  ["p50_ns", "p50"],
  ["p99_ns", "p99"],
  ["p999_ns", "p99.9"],
  ["max_ns", "max"],
] as const;

type WindowName = Latency["window"];
const WINDOWS = [
  ["minute", "1 min"],
  ["start", "All"],
] as const;

const percent = (part: number) => `${(part * 100).toFixed(2)}%`;

export function useLatency(window: WindowName) {
  return useQuery({
    queryKey: ["system", "latency", window],
    queryFn: () => take(api.GET("/api/v1/system/latency", { params: { query: { window } } })),
    refetchInterval: EVERY_MS,
    placeholderData: keepPreviousData,
  });
}

export function LatencyPanels() {
  const [window, setWindow] = useState<WindowName>("minute");
  const latency = useLatency(window);
  return (
    <>
      <Panel
        title="Latency of whole paths"
        className="paths"
        actions={<Segments label="Window" value={window} options={WINDOWS} onChange={setWindow} />}
      >
        <Loaded query={latency} rows={5}>
          {(data) => <Paths latency={data} stale={latency.isError ? latency.dataUpdatedAt : null} />}
        </Loaded>
      </Panel>
      <Panel title="Where each microsecond goes" className="stages">
        <Loaded query={latency} rows={12}>
          {(data) => <Stages figures={data.figures.filter((one) => !PATHS.has(one.name))} />}
        </Loaded>
      </Panel>
      <Panel title="Slowest of the last minute" className="slowest" flush>
        <Loaded query={latency} rows={6}>
          {(data) => <Slowest ways={data.slowest} />}
        </Loaded>
      </Panel>
      <Panel title="Too slow" className="alerts" flush>
        <Loaded query={latency} rows={3}>
          {(data) => <Alerts latency={data} />}
        </Loaded>
      </Panel>
    </>
  );
}

/** Percentiles of both paths on a logarithmic axis, with the budget across. */
function Paths({ latency, stale }: { latency: Latency; stale: number | null }) {
  const paths = latency.figures.filter((one) => PATHS.has(one.name));
  return (
    <div className="stack">
      {stale !== null && (
        <span className="chip warn" role="status">
          Not heard since {clock(stale)}
        </span>
      )}
      <div className="scroll-x">
        <table className="path-table">
          <thead>
            <tr>
              <th scope="col">Path</th>
              {POINTS.map(([, name]) => (
                <th key={name} scope="col" className="right">
                  {name}
                </th>
              ))}
              <th scope="col" className="right">
                Count
              </th>
              <th scope="col" className="right">
                Over budget since the start
              </th>
            </tr>
          </thead>
          <tbody>
            {paths.map((one) => (
              <tr key={one.name}>
                <th scope="row">{words(one.name)}</th>
                {POINTS.map(([key, name]) => (
                  <td key={name} className="figures right">
                    {one.count > 0 ? duration(one[key]) : "–"}
                  </td>
                ))}
                <td className="figures right">{short(one.count)}</td>
                <td className={one.breaches > 0 ? "figures right danger" : "figures right"}>{one.breaches}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <div className="axis-box" aria-hidden="true">
        {paths.map((one, index) => (
          <AxisRow key={one.name} figures={one} isFirst={index === 0} />
        ))}
        <div className="axis">
          {decades(AXIS).map((mark) => (
            <span key={mark} style={{ left: percent(place(mark, AXIS)) }}>
              {duration(mark).replace(/\.0+ /, " ")}
            </span>
          ))}
        </div>
      </div>
      <WorstBySecond worst={latency.worst_by_second} />
    </div>
  );
}

function AxisRow({ figures, isFirst }: { figures: LatencyFigures; isFirst: boolean }) {
  const budget = figures.budget_ns ?? BUDGET_NS;
  const start = place(figures.p50_ns, AXIS);
  return (
    <div className="axis-row">
      <span className="axis-name">{words(figures.name)}</span>
      <div className="axis-line">
        <div className="axis-budget" style={{ left: percent(place(budget, AXIS)) }}>
          {isFirst && <span>{duration(budget).replace(/\.0+ /, " ")} budget</span>}
        </div>
        {figures.count > 0 && (
          <>
            <div
              className="axis-range"
              style={{ left: percent(start), width: percent(place(figures.max_ns, AXIS) - start) }}
            />
            {POINTS.map(([key, name]) => (
              <div
                key={name}
                className={figures[key] > budget ? `axis-point over ${key}` : `axis-point ${key}`}
                style={{ left: percent(place(figures[key], AXIS)) }}
                title={`${name}: ${duration(figures[key])}`}
              />
            ))}
          </>
        )}
      </div>
    </div>
  );
}

function WorstBySecond({ worst }: { worst: readonly number[] }) {
  const highest = Math.max(0, ...worst);
  const over = worst.filter((ns) => ns > BUDGET_NS).length;
  const label = `Slowest of each of the last ${worst.length} seconds: ${
    highest > 0 ? `${duration(highest)} at most, ${over} above ${duration(BUDGET_NS)}` : "nothing ended"
  }`;
  return (
    <figure className="worst">
      <div className="worst-bars" role="img" aria-label={label}>
        {worst.map((ns, index) => (
          <div
            // biome-ignore lint/suspicious/noArrayIndexKey: a second is its place
            key={index}
            className={ns > BUDGET_NS ? "over" : ""}
            style={{ height: ns > 0 ? `max(2px, ${percent(place(ns, AXIS))})` : 0 }}
            title={ns > 0 ? duration(ns) : undefined}
          />
        ))}
      </div>
      <figcaption className="muted">
        Slowest of each of the last 60 s, to now:{" "}
        <span className="figures">{highest > 0 ? duration(highest) : "–"}</span> at most
      </figcaption>
    </figure>
  );
}

type Drive = "p50_ns" | "p99_ns";
const DRIVES = [
  ["p50_ns", "Medians"],
  ["p99_ns", "p99"],
] as const;

function Track({ bar }: { bar: Bar }) {
  return (
    <div className="track">
      <div style={{ left: percent(bar.start), width: `max(2px, ${percent(bar.width)})` }} />
    </div>
  );
}

function Stages({ figures }: { figures: readonly LatencyFigures[] }) {
  const [drive, setDrive] = useState<Drive>("p50_ns");
  const groups = [
    ["An order", figures.filter((one) => !OF_MARKET.has(one.name))],
    ["A market event, and a strategy's answer", figures.filter((one) => OF_MARKET.has(one.name))],
  ] as const;
  if (figures.every((one) => one.count === 0)) {
    return <Empty title="Nothing was measured yet">The first order, or a minute of the market, brings figures.</Empty>;
  }
  return (
    <div className="stack">
      <div className="row spread">
        <span className="muted">The step to each stage. Percentiles of steps do not add up to the path's.</span>
        <Segments label="Bars show" value={drive} options={DRIVES} onChange={setDrive} />
      </div>
      {groups.map(([title, list]) => {
        const known = list.filter((one) => one.count > 0);
        const { bars } = waterfall(known.map((one) => ({ name: one.name, ns: one[drive] })));
        return (
          <table key={title} className="stage-table">
            <caption>{title}</caption>
            <thead>
              <tr>
                <th scope="col">Stage</th>
                <th scope="col" className="right">
                  p50
                </th>
                <th scope="col" className="right">
                  p99
                </th>
                <th scope="col" className="track-head">
                  <span className="unseen">Place on the way</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {list.map((one) => {
                const bar = bars.find((found) => found.name === one.name);
                return (
                  <tr key={one.name}>
                    <th scope="row">
                      {words(one.name)}
                      <span className="muted">{STAGES[one.name]}</span>
                    </th>
                    <td className="figures right">{one.count > 0 ? duration(one.p50_ns) : "–"}</td>
                    <td className="figures right">{one.count > 0 ? duration(one.p99_ns) : "–"}</td>
                    <td aria-hidden="true">{bar && <Track bar={bar} />}</td>
                  </tr>
                );
              })}
            </tbody>
          </table>
        );
      })}
    </div>
  );
}

function Slowest({ ways }: { ways: readonly Way[] }) {
  const [open, setOpen] = useState<string | null>(null);
  if (ways.length === 0) return <Empty title="Nothing ended in the last minute" />;
  const longest = Math.max(...ways.map((way) => way.total_ns));
  return (
    <ol className="ways">
      {ways.map((way) => {
        const key = `${way.path}${way.seq}`;
        const isOpen = open === key;
        return (
          <li key={key}>
            <button type="button" className="way" aria-expanded={isOpen} onClick={() => setOpen(isOpen ? null : key)}>
              <span aria-hidden="true">{isOpen ? "▾" : "▸"}</span>
              <span>{words(way.kind)}</span>
              <span className="muted figures">{way.seq}</span>
              <span className="muted figures">{clockMs(way.at)}</span>
              <span className={way.total_ns > BUDGET_NS ? "figures right danger" : "figures right"}>
                {duration(way.total_ns)}
              </span>
              <span className="track" aria-hidden="true">
                <span style={{ left: 0, width: percent(way.total_ns / longest) }} />
              </span>
            </button>
            {isOpen && <WayTable way={way} />}
          </li>
        );
      })}
    </ol>
  );
}

function WayTable({ way }: { way: Way }) {
  const { bars } = waterfall(stepsOf(way.steps), way.total_ns);
  return (
    <table className="stage-table">
      <caption className="unseen">
        Steps of {words(way.kind)}, input {way.seq}
      </caption>
      <tbody>
        {bars.map((bar) => (
          <tr key={bar.name}>
            <th scope="row">{words(bar.name)}</th>
            <td className="figures right">{duration(bar.ns)}</td>
            <td aria-hidden="true">
              <Track bar={bar} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Alerts({ latency }: { latency: Latency }) {
  if (latency.alerts.length === 0) return <Empty title="Nothing took longer than it may" />;
  return (
    <>
      <p className="alerts-count muted">{latency.alerts_count} since the start of the server</p>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by the keyboard */}
      <section className="alert-list" tabIndex={0} aria-label="What took too long">
        <ul>
          {latency.alerts.map((alert) => (
            <li key={alert.number}>
              <span className="figures muted">{clock(alert.at)}</span>
              <span>
                <strong>{words(alert.name)}</strong> took{" "}
                <span className="figures danger">{duration(alert.took_ns)}</span> of{" "}
                <span className="figures">{duration(alert.budget_ns)}</span>
                {alert.breaches > 1 ? `, the worst of ${alert.breaches}` : ""}
              </span>
            </li>
          ))}
        </ul>
      </section>
    </>
  );
}
