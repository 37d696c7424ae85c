import { useMemo } from "react";
import { Link } from "wouter";
import { type Column, Grid } from "../../components/grid";
import { show, showSigned, sign } from "../../format/number";
import { priceText } from "../../format/price";
import { change, useDayStart } from "../../live/day";
import { useIsOld, useQuote } from "../../live/market";
import type { Instrument } from "../../shell/user";

/**
 * All symbols with their quotes, beside each other on a wall. The grid draws the rows in sight, and only those ask what their day began
 * from: hundreds of symbols at once would be more questions than the gateway allows.
 */
export function Watch({ instruments, chosen }: { instruments: Instrument[]; chosen: string }) {
  const columns = useMemo(
    (): Column<Instrument>[] => [
      {
        id: "symbol",
        title: "Symbol",
        value: (one) => one.symbol,
        cell: ({ symbol }) => (
          <Link href={`/trade/${encodeURIComponent(symbol)}`} aria-current={symbol === chosen ? "page" : undefined}>
            {symbol}
          </Link>
        ),
      },
      { id: "bid", title: "Bid", figure: true, cell: (one) => <Price instrument={one} side="bid" /> },
      { id: "ask", title: "Offer", figure: true, cell: (one) => <Price instrument={one} side="ask" /> },
      { id: "day", title: "Day", figure: true, cell: (one) => <Day symbol={one.symbol} /> },
    ],
    [chosen],
  );
  return (
    <div className="watch">
      <Grid label="Symbols" rows={instruments} columns={columns} rowKey={(one) => one.symbol} />
    </div>
  );
}

function Price({ instrument, side }: { instrument: Instrument; side: "bid" | "ask" }) {
  const price = useQuote(instrument.symbol)?.data[`${side}_price`];
  const text = price ? show(priceText(instrument, price)) : "–";
  const kind = useIsOld(instrument.symbol) ? "not-live" : side === "bid" ? "buy" : "sell";
  return <span className={`figures ${kind}`}>{text}</span>;
}

function Day({ symbol }: { symbol: string }) {
  const last = useQuote(symbol)?.data.last_price;
  const start = useDayStart(symbol);
  const moved = last && start ? change(last, start.price) : null;
  if (!moved) return "–";
  return (
    <span className={`figures ${sign(moved.by) < 0 ? "sell" : "buy"}`}>{`${showSigned(moved.percent, 2)} %`}</span>
  );
}
