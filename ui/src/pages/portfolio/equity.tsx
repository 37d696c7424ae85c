import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { lazy, Suspense, useMemo, useState } from "react";
import type { Schemas } from "../../api/client";
import { Segments } from "../../components/controls";
import { Signed } from "../../components/figures";
import { Panel } from "../../components/panel";
import { Empty, Loaded, Loading } from "../../components/states";
import { show } from "../../format/number";
import { clock, date, dateTime } from "../../format/time";
import { curve, fromStart, performance, type Range, rangeHistory, STEP_MS } from "./curve";

const Line = lazy(() => import("../../chart/line"));

const RANGES = [
  ["1D", "1D"],
  ["1W", "1W"],
  ["1M", "1M"],
  ["all", "All"],
] as const;
const PROFIT =
  "Realised and unrealised profit less fees. What was paid in or out, dividends, borrowing and conversions do not count.";
/** The newest sample is a minute old at most; the live end is told by the portfolio. */
const SAMPLED_EVERY_MS = 60_000;

interface EquityProps {
  account: Schemas["AccountReport"];
  totals: Schemas["Totals"];
  /** When `totals` were told. */
  at: number;
}

export function Equity({ account, totals, at }: EquityProps) {
  const [range, setRange] = useState<Range>("1D");
  const samples = useQuery({
    queryKey: ["portfolio-history", account.id, range],
    queryFn: () => rangeHistory(account.id, account.created_at, range, Date.now()),
    refetchInterval: SAMPLED_EVERY_MS,
    placeholderData: keepPreviousData,
  });
  const drawn = useMemo(() => {
    if (!samples.data) return null;
    const own = samples.data.points.filter((point) => point.currency === totals.currency);
    // The gateway's last point is of when the range was asked for; what is now comes from the portfolio.
    const { equity, realised, unrealised, fees } = totals;
    const live = { at: new Date(at).toISOString(), equity, realised, unrealised, fees };
    const all = fromStart(
      own.length > 0 && totals.unmarked === 0 ? [...own.filter((point) => date(point.at).getTime() < at), live] : own,
      samples.data.from,
    );
    const points = curve(all, STEP_MS[samples.data.resolution]);
    return {
      figures: performance(all),
      points: points.map((pixel) => ({ at: pixel.at, value: pixel.equity, below: pixel.drawdown })),
    };
  }, [samples.data, totals, at]);
  const figures = drawn?.figures;
  const fall = figures?.drawdown;
  return (
    <Panel
      title="Equity"
      className="equity"
      flush
      actions={<Segments label="Range" value={range} options={RANGES} onChange={setRange} />}
    >
      <Loaded query={samples} rows={10}>
        {() =>
          !drawn || !figures || drawn.points.length < 2 ? (
            <Empty title="No curve yet">
              It begins within a minute of an account's first trade, and goes on minute by minute.
            </Empty>
          ) : (
            <>
              <dl className="summary">
                <div title={PROFIT}>
                  <dt>Profit</dt>
                  <dd>
                    <Signed value={figures.change} />
                  </dd>
                </div>
                <div title={`${PROFIT} In per cent of the equity at the start.`}>
                  <dt>Return</dt>
                  <dd>
                    <Signed value={figures.returned} /> {figures.returned !== null && "%"}
                  </dd>
                </div>
                <div>
                  <dt>Largest drawdown</dt>
                  <dd
                    className="figures"
                    title={fall ? `${dateTime(fall.peak.at)} to ${dateTime(fall.trough.at)}. ${PROFIT}` : PROFIT}
                  >
                    {fall ? `${show(fall.percent, 2)} % (${show(fall.amount, 2)}), ${clock(fall.trough.at)}` : "none"}
                  </dd>
                </div>
              </dl>
              <Suspense fallback={<Loading rows={10} />}>
                <Line
                  label={`Equity in ${totals.currency}, now ${show(totals.equity, 2)}, and drawdown below it`}
                  points={drawn.points}
                />
              </Suspense>
              <p className="credit">
                <a href="https://www.tradingview.com/" rel="noreferrer" target="_blank">
                  Charts by TradingView
                </a>
              </p>
            </>
          )
        }
      </Loaded>
    </Panel>
  );
}
