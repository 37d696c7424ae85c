import { useQuery } from "@tanstack/react-query";
import { Fragment, memo, useEffect, useMemo, useRef } from "react";
import { api, take } from "../../api/client";
import { Empty, Failed, Loading } from "../../components/states";
import { show } from "../../format/number";
import { priceText } from "../../format/price";
import { clock } from "../../format/time";
import { type Trade, useLink, useTrades } from "../../live/market";
import { type Instrument, useZone } from "../../shell/user";

/** Trades that are shown. */
const SHOWN_MAX = 120;

/** Time and sales, the newest on top. */
export const Tape = memo(function Tape({ instrument }: { instrument: Instrument }) {
  const { symbol } = instrument;
  const live = useTrades(symbol);
  const before = useQuery({
    queryKey: ["trades", symbol],
    queryFn: ({ signal }) =>
      take(api.GET("/api/v1/trades/{symbol}", { params: { path: { symbol }, query: { limit: SHOWN_MAX } }, signal })),
    staleTime: 0,
  });
  // What was told while the link was away is asked for.
  const link = useLink();
  const away = useRef(false);
  const { refetch } = before;
  useEffect(() => {
    if (link === "live" && away.current) void refetch();
    away.current = link !== "live";
  }, [link, refetch]);
  const zone = useZone();
  const trades = useMemo(() => joined(live, before.data ?? NONE), [live, before.data]);
  if (trades.length === 0) {
    if (before.error) return <Failed error={before.error} retry={() => void before.refetch()} />;
    if (before.data === undefined) return <Loading rows={8} />;
    return <Empty title="No trades yet">The next one is told here.</Empty>;
  }
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by the keyboard
    <section className="tape" tabIndex={0} aria-label={`Trades of ${symbol}`}>
      {/* Lines keep their times: another zone makes them anew. */}
      <table key={zone ?? ""}>
        <thead>
          <tr>
            <th scope="col">Time</th>
            <th scope="col">Price</th>
            <th scope="col">Qty</th>
          </tr>
        </thead>
        <tbody>
          {trades.map((trade, index) => {
            const older = trades[index + 1];
            const left = older ? trade.number - older.number - 1 : 0;
            return (
              <Fragment key={trade.number}>
                <Line trade={trade} price={priceText(instrument, trade.price)} />
                {left > 0 && (
                  <tr className="tape-more muted">
                    <td colSpan={3}>… {left} more</td>
                  </tr>
                )}
              </Fragment>
            );
          })}
        </tbody>
      </table>
    </section>
  );
});

const NONE: Trade[] = [];

/**
 * What came live, and before it what was asked for; each number once, the newest first. A trade with a higher number than a later one
 * is from before the gateway began anew, and its numbers with it.
 */
export function joined(live: Trade[], asked: Trade[]): Trade[] {
  const newest = live[0];
  const isOurs = ({ number, time }: Trade) =>
    !newest || number <= newest.number || Date.parse(time) >= Date.parse(newest.time);
  const all = new Map<number, Trade>();
  for (const trade of [...asked.filter(isOurs), ...live]) all.set(trade.number, trade);
  return [...all.values()].sort((a, b) => b.number - a.number).slice(0, SHOWN_MAX);
}

const Line = memo(
  function Line({ trade, price }: { trade: Trade; price: string }) {
    const side = trade.aggressor === "buy" || trade.aggressor === "sell" ? trade.aggressor : "";
    return (
      <tr className={`figures ${side}`}>
        <td className="muted">{clock(trade.time)}</td>
        <td>
          <span aria-hidden="true">{side === "buy" ? "▲" : side === "sell" ? "▼" : "·"}</span>
          <span className="unseen">{side ? `${side} took, ` : ""}</span> {show(price)}
        </td>
        <td>{show(trade.qty)}</td>
      </tr>
    );
  },
  (a, b) => a.trade.number === b.trade.number && a.trade.time === b.trade.time,
);
