import { type ReactNode, useRef } from "react";
import { Button } from "../../components/controls";
import { compare, show, showSigned, sign } from "../../format/number";
import { priceText } from "../../format/price";
import { bothClocks, clockOrDay } from "../../format/time";
import { change, useDayStart } from "../../live/day";
import { useIsOld, useLink, useQuote } from "../../live/market";
import { openPalette } from "../../shell/palette";
import type { Instrument } from "../../shell/user";

/** The way of the last price: it stays until it moves again. */
function useWay(last: string | null | undefined): "up" | "down" | "" {
  const kept = useRef<{ price: string | undefined; way: "up" | "down" | "" }>({ price: undefined, way: "" });
  if (last && last !== kept.current.price) {
    const before = kept.current.price;
    const way = before === undefined ? "" : compare(last, before) > 0 ? "up" : "down";
    kept.current = { price: last, way };
  }
  return kept.current.way;
}

const STANDS: Record<string, string> = {
  halted: "Halted",
  paused: "Paused",
  quotation_only: "Quotation only",
  closed: "Closed",
};

export function SymbolBar({ instrument }: { instrument: Instrument }) {
  const { symbol, venue } = instrument;
  const text = (price: string | null | undefined) => price && show(priceText(instrument, price));
  const quote = useQuote(symbol)?.data;
  const isOld = useIsOld(symbol);
  const link = useLink();
  const start = useDayStart(symbol);
  const last = quote?.last_price;
  const way = useWay(last);
  const moved = last && start ? change(last, start.price) : null;
  const stands = quote ? STANDS[quote.status] : undefined;
  const kind = moved ? (sign(moved.by) > 0 ? "buy" : sign(moved.by) < 0 ? "sell" : "") : "";
  return (
    <section className="panel symbol-bar" aria-label={`Quote of ${symbol}`}>
      <h1>
        <Button
          kind="plain"
          onClick={openPalette}
          aria-keyshortcuts="/"
          aria-label={`${symbol}: choose another symbol`}
        >
          {symbol} <span aria-hidden="true">▾</span>
        </Button>
        <span className="muted symbol-venue">
          {venue} · {instrument.currency}
        </span>
      </h1>
      <div
        className={`symbol-last figures ${isOld ? "not-live" : way === "up" ? "buy" : way === "down" ? "sell" : ""}`}
      >
        <span aria-hidden="true">{way === "up" ? "▲" : way === "down" ? "▼" : " "}</span>
        <span className="unseen">Last price </span>
        {text(last) ?? "–"}
      </div>
      <dl className={`symbol-facts figures ${isOld ? "not-live" : ""}`}>
        <Fact title="Bid">
          <b className="buy">{text(quote?.bid_price) ?? "–"}</b>{" "}
          <small className="muted">× {show(quote?.bid_qty)}</small>
        </Fact>
        <Fact title="Offer">
          <b className="sell">{text(quote?.ask_price) ?? "–"}</b>{" "}
          <small className="muted">× {show(quote?.ask_qty)}</small>
        </Fact>
        <Fact title={start?.isClose === false ? "Since open" : "Day"}>
          <span className={kind}>{moved ? `${showSigned(moved.by, 2)} (${showSigned(moved.percent, 2)} %)` : "–"}</span>
        </Fact>
        {quote?.auction && (
          <Fact title="Auction">
            {text(quote.auction.price) ?? "–"} <small className="muted">× {show(quote.auction.qty)}</small>
          </Fact>
        )}
      </dl>
      <div className="symbol-end">
        <span role="status" className="symbol-status">
          {stands && <strong className="symbol-stopped">{stands}</strong>}
          {quote?.status === "trading" && link === "live" && <span className="chip good">Trading</span>}
          {link !== "live" && (
            <span className="chip danger">{link === "offline" ? "Disconnected" : "Connecting …"}</span>
          )}
          {quote && isOld && <span className="chip warn">{`Nothing new since ${clockOrDay(quote.time)}`}</span>}
        </span>
        <span className="figures muted symbol-time">{quote ? bothClocks(quote.time, venue) : "–"}</span>
      </div>
    </section>
  );
}

function Fact({ title, children }: { title: string; children: ReactNode }) {
  return (
    <div>
      <dt>{title}</dt>
      <dd>{children}</dd>
    </div>
  );
}
