import type { Schemas } from "../../api/client";
import { words } from "../../components/figures";
import { Panel } from "../../components/panel";
import { Empty } from "../../components/states";
import { add, compare, divide, multiply, show, sign, subtract } from "../../format/number";
import type { Position } from "../../live/account";
import type { Instrument } from "../../shell/user";

interface Bar {
  name: string;
  /** Below 0 is short. */
  value: string;
  /** Per cent of equity. */
  percent: string | null;
}

/** Bars that go right from the middle for what is long, left for what is short. Cash owed is short, too. */
function Bars({ bars, currency }: { bars: Bar[]; currency: string }) {
  const largest = Math.max(1, ...bars.map((bar) => Math.abs(Number(bar.percent ?? 0))));
  const hasShort = bars.some((bar) => sign(bar.value) < 0);
  return (
    <table className={hasShort ? "bars two-sided" : "bars"}>
      <thead className="unseen">
        <tr>
          <th scope="col">What</th>
          <th scope="col">Share</th>
          <th scope="col">Per cent of equity</th>
          <th scope="col">Value in {currency}</th>
        </tr>
      </thead>
      <tbody>
        {bars.map((bar) => {
          const isShort = sign(bar.value) < 0;
          const width = `${(Math.abs(Number(bar.percent ?? 0)) / largest) * 100}%`;
          return (
            <tr key={bar.name}>
              <th scope="row">
                {bar.name} {isShort && <span className="sell">short</span>}
              </th>
              <td aria-hidden="true" className="bar-cell">
                <div className={isShort ? "bar short" : "bar"}>
                  <div style={{ width }} />
                </div>
              </td>
              <td className="figures right">{bar.percent === null ? "–" : `${show(bar.percent, 1)}\u00a0%`}</td>
              <td className="figures right muted">{show(bar.value, 2)}</td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}

export function Allocation({ totals }: { totals: Schemas["Totals"] }) {
  const bars = totals.allocation.map((share) => ({
    name: share.symbol ?? "Cash",
    value: share.value,
    percent: share.percent ?? null,
  }));
  return (
    <Panel title="Allocation" className="allocation">
      {bars.length === 0 ? <Empty title="Nothing to allocate" /> : <Bars bars={bars} currency={totals.currency} />}
    </Panel>
  );
}

export interface Exposure {
  name: string;
  long: string;
  short: string;
  net: string;
  gross: string;
}

/** Values of positions by group, the largest first. What has no mark counts at its cost. */
export function exposures(positions: readonly Position[], groupOf: (symbol: string) => string): Exposure[] {
  const groups = new Map<string, Exposure>();
  for (const position of positions) {
    const name = groupOf(position.symbol);
    const group = groups.get(name) ?? { name, long: "0", short: "0", net: "0", gross: "0" };
    const value = position.value ?? position.cost;
    if (sign(value) >= 0) group.long = add(group.long, value);
    else group.short = add(group.short, value);
    group.net = add(group.long, group.short);
    group.gross = subtract(group.long, group.short);
    groups.set(name, group);
  }
  return [...groups.values()].sort((a, b) => compare(b.gross, a.gross));
}

interface ExposureProps {
  positions: readonly Position[];
  instruments: readonly Instrument[];
  totals: Schemas["Totals"];
}

export function ExposurePanel({ positions, instruments, totals }: ExposureProps) {
  const own = positions.filter((position) => position.currency === totals.currency);
  const of = (symbol: string) => instruments.find((one) => one.symbol === symbol);
  const part = (value: string) =>
    sign(totals.equity) > 0 ? `${show(divide(multiply(value, "100"), totals.equity, 1), 1)}\u00a0%` : "–";
  const hasSectors = instruments.some((one) => one.sector);
  const groups = [
    ...(hasSectors ? [["By sector", exposures(own, (symbol) => of(symbol)?.sector ?? "No sector")] as const] : []),
    ["By asset class", exposures(own, (symbol) => words(of(symbol)?.asset_class ?? "not known"))],
    ["By venue", exposures(own, (symbol) => of(symbol)?.venue ?? "Not known")],
  ] as const;
  return (
    <Panel title="Exposure" className="exposure" flush>
      {own.length === 0 ? (
        <Empty title="No exposure">No position is open.</Empty>
      ) : (
        <div className="scroll-x">
          <table className="grid">
            <thead>
              <tr>
                <th scope="col">Group</th>
                <th scope="col" className="figure">
                  Long
                </th>
                <th scope="col" className="figure">
                  Short
                </th>
                <th scope="col" className="figure">
                  Net
                </th>
                <th scope="col" className="figure">
                  Of equity
                </th>
              </tr>
            </thead>
            {groups.map(([title, rows]) => (
              <tbody key={title}>
                <tr className="group-row">
                  <th scope="rowgroup" colSpan={5}>
                    {title}
                  </th>
                </tr>
                {rows.map((row) => (
                  <tr key={row.name}>
                    <td>{row.name}</td>
                    <td className="figure">{show(row.long, 2)}</td>
                    <td className="figure">{show(row.short, 2)}</td>
                    <td className="figure">{show(row.net, 2)}</td>
                    <td className="figure">{part(row.net)}</td>
                  </tr>
                ))}
              </tbody>
            ))}
          </table>
        </div>
      )}
    </Panel>
  );
}
