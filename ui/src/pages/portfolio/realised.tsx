import { useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import type { Schemas } from "../../api/client";
import { Button, Segments } from "../../components/controls";
import { Signed } from "../../components/figures";
import { Panel } from "../../components/panel";
import { Empty, Loaded } from "../../components/states";
import { add, show, showSigned, sign } from "../../format/number";
import { dayOf } from "../../format/time";
import { useZone } from "../../shell/user";
import { byPeriod, equityHistory, joined, monthOf, type Period, weeks } from "./curve";

type Steps = "days" | "months";
const STEPS = [
  ["days", "Days"],
  ["months", "Months"],
] as const;
const WEEKDAYS = [
  ["Monday", "Mo"],
  ["Tuesday", "Tu"],
  ["Wednesday", "We"],
  ["Thursday", "Th"],
  ["Friday", "Fr"],
  ["Saturday", "Sa"],
  ["Sunday", "Su"],
] as const;
const REFRESHED_EVERY_MS = 5 * 60_000;

const monthName = new Intl.DateTimeFormat(undefined, { month: "long", year: "numeric", timeZone: "UTC" });

function titleOf(month: string): string {
  return monthName.format(new Date(`${month}-01T00:00:00Z`));
}

/** The month before or after. */
function beside(month: string, way: -1 | 1): string {
  const [year = 0, number = 1] = month.split("-").map(Number);
  return new Date(Date.UTC(year, number - 1 + way, 1)).toISOString().slice(0, 7);
}

function kindOf(net: string | undefined): string {
  const way = net === undefined ? 0 : sign(net);
  return way > 0 ? "gain" : way < 0 ? "loss" : "";
}

/** What was gained and lost for good, by day or month of the user's zone. */
export function Realised({ account, totals }: { account: string; totals: Schemas["Totals"] }) {
  const [steps, setSteps] = useState<Steps>("days");
  const today = dayOf(Date.now());
  const [month, setMonth] = useState(monthOf(Date.now()));
  const samples = useQuery({
    queryKey: ["portfolio-history", account, "periods"],
    queryFn: async () => {
      const [days, hours] = await Promise.all([
        equityHistory({ account, resolution: "1d" }),
        equityHistory({ account, resolution: "1h" }),
      ]);
      return { days, hours };
    },
    refetchInterval: REFRESHED_EVERY_MS,
  });
  const zone = useZone();
  // biome-ignore lint/correctness/useExhaustiveDependencies: days and months are those of the zone
  const all = useMemo(() => {
    if (!samples.data) return null;
    // Sums of now end the last period.
    const live = { at: new Date().toISOString(), realised: totals.realised, fees: totals.fees };
    const own = <T extends { currency: string }>(points: T[]) =>
      points.filter((point) => point.currency === totals.currency);
    const known = joined(own(samples.data.days), own(samples.data.hours));
    const told = known.length > 0 ? [...known, live] : [];
    return { days: byPeriod(told, (at) => dayOf(at)), months: byPeriod(told, (at) => monthOf(at)) };
  }, [samples.data, totals.currency, totals.realised, totals.fees, zone]);
  return (
    <Panel
      title={`Realised, ${totals.currency}`}
      className="realised"
      actions={<Segments label="By" value={steps} options={STEPS} onChange={setSteps} />}
    >
      <Loaded query={samples} rows={7}>
        {() =>
          !all || all.days.length === 0 ? (
            <Empty title="Nothing realised yet">What closed positions gained or lost is here by day and month.</Empty>
          ) : steps === "months" ? (
            <Months periods={all.months} />
          ) : (
            <>
              <div className="row spread month-head">
                <Button small onClick={() => setMonth(beside(month, -1))} aria-label="The month before">
                  ‹
                </Button>
                <strong aria-live="polite">{titleOf(month)}</strong>
                <Button
                  small
                  onClick={() => setMonth(beside(month, 1))}
                  disabled={month >= today.slice(0, 7)}
                  aria-label="The month after"
                >
                  ›
                </Button>
              </div>
              <Calendar month={month} today={today} periods={all.days} />
            </>
          )
        }
      </Loaded>
    </Panel>
  );
}

function Calendar({ month, today, periods }: { month: string; today: string; periods: Period[] }) {
  const days = new Map(periods.map((period) => [period.key, period]));
  const sum = periods.filter((period) => period.key.startsWith(month)).reduce((so, one) => add(so, one.net), "0");
  return (
    <>
      <table className="calendar">
        <caption className="unseen">Realised less fees on each day of {titleOf(month)}</caption>
        <thead>
          <tr>
            {WEEKDAYS.map(([name, letters]) => (
              <th key={name} scope="col" abbr={name}>
                {letters}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {weeks(month).map((week) => (
            <tr key={week.find((day) => day) ?? month}>
              {week.map((day, place) => {
                const period = day ? days.get(day) : undefined;
                const title = period
                  ? `${day}: realised ${showSigned(period.realised, 2)}, fees ${show(period.fees, 2)}`
                  : undefined;
                return (
                  <td key={day ?? WEEKDAYS[place]?.[0]} className={kindOf(period?.net)} title={title}>
                    {day && (
                      <span className="date" aria-current={day === today ? "date" : undefined}>
                        {Number(day.slice(-2))}
                      </span>
                    )}
                    {period && <span className="figures">{showSigned(period.net, 2)}</span>}
                  </td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
      <p className="row spread month-sum">
        <span className="muted">Realised less fees</span> <Signed value={sum} />
      </p>
    </>
  );
}

function Months({ periods }: { periods: Period[] }) {
  return (
    <div className="scroll-x">
      <table className="grid">
        <thead>
          <tr>
            <th scope="col">Month</th>
            <th scope="col" className="figure">
              Realised
            </th>
            <th scope="col" className="figure">
              Fees
            </th>
            <th scope="col" className="figure">
              Net
            </th>
          </tr>
        </thead>
        <tbody>
          {periods.toReversed().map((period) => (
            <tr key={period.key}>
              <th scope="row">{titleOf(period.key)}</th>
              <td className="figure">{showSigned(period.realised, 2)}</td>
              <td className="figure">{show(period.fees, 2)}</td>
              <td className="figure">
                <Signed value={period.net} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
