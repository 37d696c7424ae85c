// The cells that move. Each follows its symbol for itself, so that a message draws a few characters and not the table.

import { useRef } from "react";
import { words } from "../../components/figures";
import { compare, show, subtract } from "../../format/number";
import { type Quote, useQuote } from "../../live/market";
import type { Row } from "./market";

/** The newest quote: the one that was told last, or the table's own until then. */
function useNow({ instrument, quote }: Row): Quote | undefined {
  return useQuote(instrument.symbol)?.data ?? quote;
}

/** As many digits as a step has: 0.0100 has two. */
function digits(step: string): number {
  return step.replace(/0+$/, "").split(".")[1]?.length ?? 0;
}

/** With the digits of the instrument's orders, so that nothing moves sideways; more where the market quotes finer. */
function price(value: string | null | undefined, { instrument }: Row): string {
  return value ? show(value, Math.max(digits(value), digits(instrument.order_tick))) : "–";
}

export function Bid({ of, ...row }: Row & { of: "price" | "qty" }) {
  const quote = useNow(row);
  return of === "qty" ? <span className="muted">{show(quote?.bid_qty)}</span> : price(quote?.bid_price, row);
}

export function Ask({ of, ...row }: Row & { of: "price" | "qty" }) {
  const quote = useNow(row);
  return of === "qty" ? <span className="muted">{show(quote?.ask_qty)}</span> : price(quote?.ask_price, row);
}

/** The last trade's price, and which way it went from the one before. */
export function Last(row: Row) {
  const last = useNow(row)?.last_price;
  const seen = useRef<{ price: string; way: number }>(null);
  if (last && last !== seen.current?.price) {
    seen.current = { price: last, way: seen.current ? compare(last, seen.current.price) : 0 };
  }
  const way = seen.current?.way ?? 0;
  return (
    <span className={way > 0 ? "buy" : way < 0 ? "sell" : undefined}>
      <span aria-hidden="true" className="market-way">
        {way > 0 ? "▴" : way < 0 ? "▾" : ""}
      </span>
      <strong>{price(last, row)}</strong>
    </span>
  );
}

export function Spread(row: Row) {
  const quote = useNow(row);
  if (!quote?.bid_price || !quote.ask_price) return "–";
  return <span className="muted">{price(subtract(quote.ask_price, quote.bid_price), row)}</span>;
}

const KINDS: Record<string, string> = { trading: "good", halted: "danger", paused: "warn", closed: "" };

export function Status(row: Row) {
  const status = useNow(row)?.status;
  if (!status || status === "unspecified") return <span className="muted">–</span>;
  return <span className={`chip ${KINDS[status] ?? "warn"}`}>{words(status)}</span>;
}
