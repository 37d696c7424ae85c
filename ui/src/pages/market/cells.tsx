// The cells that move. Each follows its own text of its symbol, so that a message draws a few characters and not the table.

import { type ReactNode, useRef } from "react";
import { words } from "../../components/figures";
import { compare, show, showSigned, sign, subtract } from "../../format/number";
import { clockOrDay } from "../../format/time";
import { change, useDayStart } from "../../live/day";
import { type Quote, useIsOld, useQuoteText } from "../../live/market";
import type { Row } from "./market";

type Text = string | null | undefined;

/** A text of the newest quote: the table's own until one is told, and again where none is told any more. */
function useNow({ instrument, quote }: Row, of: (quote: Quote) => Text): Text {
  return useQuoteText(instrument.symbol, (told) => {
    const newest = told && quote && quote.seq > told.seq ? quote : (told ?? quote);
    return newest && of(newest);
  });
}

/** A price of a row, dimmed while it must not pass as live. */
function Live({ row, children }: { row: Row; children: ReactNode }) {
  return <span className={useIsOld(row.instrument.symbol) ? "not-live" : undefined}>{children}</span>;
}

/** As many digits as a step has: 0.0100 has two. */
function digits(step: string): number {
  return step.replace(/0+$/, "").split(".")[1]?.length ?? 0;
}

/** With the digits of the instrument's orders, so that nothing moves sideways; more where the market quotes finer. */
function price(value: Text, { instrument }: Row): string {
  return value ? show(value, Math.max(digits(value), digits(instrument.order_tick))) : "–";
}

export function Bid({ of, ...row }: Row & { of: "price" | "qty" }) {
  const text = useNow(row, (quote) => quote[`bid_${of}`]);
  return of === "qty" ? <span className="muted">{show(text)}</span> : <Live row={row}>{price(text, row)}</Live>;
}

export function Ask({ of, ...row }: Row & { of: "price" | "qty" }) {
  const text = useNow(row, (quote) => quote[`ask_${of}`]);
  return of === "qty" ? <span className="muted">{show(text)}</span> : <Live row={row}>{price(text, row)}</Live>;
}

/** When the quote changed last: said as such where the prices beside it are not live. */
export function AsOf(row: Row) {
  const at = useNow(row, (quote) => clockOrDay(quote.time));
  const isOld = useIsOld(row.instrument.symbol);
  if (!at) return <span className="muted">–</span>;
  return (
    <span className={isOld ? "warn" : "muted"}>
      {isOld && <span className="unseen">Nothing new since </span>}
      {at}
    </span>
  );
}

/** The last trade's price, and which way it went from the one before. */
export function Last(row: Row) {
  const last = useNow(row, (quote) => quote.last_price);
  const seen = useRef<{ price: string; way: number }>(null);
  if (last && last !== seen.current?.price) {
    seen.current = { price: last, way: seen.current ? compare(last, seen.current.price) : 0 };
  }
  const way = seen.current?.way ?? 0;
  return (
    <Live row={row}>
      <span className={way > 0 ? "buy" : way < 0 ? "sell" : undefined}>
        <span aria-hidden="true" className="market-way">
          {way > 0 ? "▴" : way < 0 ? "▾" : ""}
        </span>
        <strong>{price(last, row)}</strong>
      </span>
    </Live>
  );
}

/** What the last price has moved since the day before closed, or since its first trade that is known. */
export function Day(row: Row) {
  const last = useNow(row, (quote) => quote.last_price);
  const start = useDayStart(row.instrument.symbol);
  const moved = last && start ? change(last, start.price) : null;
  if (!moved) return "–";
  const way = sign(moved.by);
  return (
    <Live row={row}>
      <span
        className={way > 0 ? "buy" : way < 0 ? "sell" : undefined}
        title={start?.isClose ? "Since the day before closed" : "Since its first trade that is known"}
      >
        {`${showSigned(moved.percent, 2)} %`}
      </span>
    </Live>
  );
}

export function Spread(row: Row) {
  const spread = useNow(row, ({ bid_price: bid, ask_price: ask }) => (bid && ask ? subtract(ask, bid) : undefined));
  return spread ? <span className="muted">{price(spread, row)}</span> : "–";
}

const KINDS: Record<string, string> = { trading: "good", halted: "danger", paused: "warn", closed: "" };

export function Status(row: Row) {
  const status = useNow(row, (quote) => quote.status);
  if (!status || status === "unspecified") return <span className="muted">–</span>;
  return <span className={`chip ${KINDS[status] ?? "warn"}`}>{words(status)}</span>;
}
