import { memo } from "react";
import { Link } from "wouter";
import { show, showSigned, sign } from "../../format/number";
import { priceText } from "../../format/price";
import { useQuote } from "../../live/market";
import type { Instrument } from "../../shell/user";
import { change, useDayStart } from "./symbol-bar";

/** All symbols with their quotes, beside each other on a wall. */
export function Watch({ instruments, chosen }: { instruments: Instrument[]; chosen: string }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by the keyboard
    <section className="watch" aria-label="Symbols" tabIndex={0}>
      <table>
        <thead>
          <tr>
            <th scope="col">Symbol</th>
            <th scope="col">Bid</th>
            <th scope="col">Offer</th>
            <th scope="col">Day</th>
          </tr>
        </thead>
        <tbody>
          {instruments.map((one) => (
            <Line key={one.symbol} instrument={one} isChosen={one.symbol === chosen} />
          ))}
        </tbody>
      </table>
    </section>
  );
}

const Line = memo(function Line({ instrument, isChosen }: { instrument: Instrument; isChosen: boolean }) {
  const { symbol } = instrument;
  const quote = useQuote(symbol)?.data;
  const start = useDayStart(symbol);
  const moved = quote?.last_price && start ? change(quote.last_price, start.price) : null;
  return (
    <tr className={isChosen ? "chosen" : undefined}>
      <th scope="row">
        <Link href={`/trade/${encodeURIComponent(symbol)}`} aria-current={isChosen ? "page" : undefined}>
          {symbol}
        </Link>
      </th>
      <td className="figures buy">{quote?.bid_price ? show(priceText(instrument, quote.bid_price)) : "–"}</td>
      <td className="figures sell">{quote?.ask_price ? show(priceText(instrument, quote.ask_price)) : "–"}</td>
      <td className={`figures ${moved ? (sign(moved.by) < 0 ? "sell" : "buy") : ""}`}>
        {moved ? `${showSigned(moved.percent, 2)} %` : "–"}
      </td>
    </tr>
  );
});
