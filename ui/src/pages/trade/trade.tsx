import { useQueryClient } from "@tanstack/react-query";
import { lazy, Suspense, useCallback, useEffect, useMemo, useRef, useState, useSyncExternalStore } from "react";
import { Link } from "wouter";
import type { PriceMark } from "../../chart/lines";
import { Confirm } from "../../components/confirm";
import { Panel, TabPanel } from "../../components/panel";
import { Empty, Failed, Loaded, Loading } from "../../components/states";
import { show, sign } from "../../format/number";
import { isWorking, type Order, useExecutions, useOrders, usePortfolio } from "../../live/account";
import { type Quote, useQuoteText } from "../../live/market";
import { useKeys } from "../../shell/keys";
import {
  chooseSymbol,
  type Instrument,
  useAccount,
  useAccounts,
  useInstruments,
  useMay,
  useMe,
  useSession,
  useSymbol,
} from "../../shell/user";
import { dropped, replace } from "./acts";
import { AuthorizeNow } from "./authorize";
import { AskCancelAll, Blotter } from "./blotter";
import { Ladder } from "./ladder";
import type { Body } from "./sending";
import { SymbolBar } from "./symbol-bar";
import { Tape } from "./tape";
import { near, TicketForm, useTicket } from "./ticket";
import type { Barred } from "./ticket-foot";
import { armed, bodyOf, missing, orderOf, retyped, type Side, wrongExits } from "./ticket-model";
import "./trade.css";
import { priceText } from "../../format/price";
import { usePreview } from "./use-preview";
import { useSender } from "./use-sender";
import { Watch } from "./watch";

const Chart = lazy(() => import("../../chart/chart"));

type Width = "narrow" | "desk" | "wall";

const desk = matchMedia("(min-width: 1080px)");
const wall = matchMedia("(min-width: 2000px)");

function useWidth(): Width {
  return useSyncExternalStore(
    (listener) => {
      for (const query of [desk, wall]) query.addEventListener("change", listener);
      return () => {
        for (const query of [desk, wall]) query.removeEventListener("change", listener);
      };
    },
    () => (wall.matches ? "wall" : desk.matches ? "desk" : "narrow"),
  );
}

export default function Trade({ symbol }: { symbol?: string }) {
  const instruments = useInstruments();
  const chosen = useSymbol();
  useEffect(() => {
    if (symbol) chooseSymbol(symbol);
  }, [symbol]);
  const name = symbol ?? chosen;
  const instrument = instruments.data?.find((one) => one.symbol === name);
  if (instrument && instruments.data) {
    return <Desk key={instrument.symbol} instrument={instrument} instruments={instruments.data} />;
  }
  if (instruments.data) {
    return (
      <Empty title={name ? `There is no ${name}` : "There is nothing to trade yet"}>
        {name ? <Link href="/market">To all symbols</Link> : "The engine has told no instrument."}
      </Empty>
    );
  }
  if (instruments.error) return <Failed error={instruments.error} retry={() => void instruments.refetch()} />;
  return (
    <div className="trade-loading">
      <Loading rows={12} />
    </div>
  );
}

/** Who may not trade from here, and why. */
function useBarred(): Barred | null {
  const { status } = useSession();
  const me = useMe().data;
  const may = useMay("orders:write");
  const accounts = useAccounts();
  const account = useAccount();
  if (status === "out") return "stranger";
  if (me && !may) return "role";
  if (account) return null;
  if (accounts.data) return "account";
  // While it is asked for again there is no error, but still no account.
  return accounts.errorUpdateCount > 0 ? "failed" : null;
}

interface NoAccountProps {
  barred: Barred;
  symbol: string;
  /** Of the page: one more who asks would ask again for what has failed. */
  accounts: ReturnType<typeof useAccounts>;
}

/** What stands in the place of orders and positions where there is no account to show them of. */
function NoAccount({ barred, symbol, accounts }: NoAccountProps) {
  switch (barred) {
    case "stranger":
      return (
        <Empty title="Sign in to trade">
          <span>
            <Link href={`/sign-in?next=${encodeURIComponent(`/trade/${symbol}`)}`}>Sign in</Link> or{" "}
            <Link href="/register">make an account</Link>: your orders, fills and positions stand here.
          </span>
        </Empty>
      );
    case "role":
      return <Empty title="Your role watches">It does not trade, and has no orders or positions of its own.</Empty>;
    case "account":
      return (
        <Empty title="You have no account yet">
          <Link href="/onboarding">Open a paper account</Link>
        </Empty>
      );
    case "failed":
      return <Loaded query={accounts}>{() => null}</Loaded>;
  }
}

function Desk({ instrument, instruments }: { instrument: Instrument; instruments: Instrument[] }) {
  const { symbol } = instrument;
  const client = useQueryClient();
  const width = useWidth();
  const barred = useBarred();
  const accounts = useAccounts();
  const chosen = useAccount();
  const account = chosen?.id;
  const sender = useSender(account);
  const [ticket, change] = useTicket(sender);
  const [tab, setTab] = useState("chart");
  const [isOneClick, setOneClick] = useState(false);
  const [moved, setMoved] = useState<{ order: Order; price: string } | null>(null);
  const [asksCancel, setAsksCancel] = useState(false);
  const quote = useRef<Quote | undefined>(undefined);
  const qty = useRef<HTMLInputElement>(null);
  const orders = useOrders(account).data;
  const fills = useExecutions(account).data;
  const portfolio = usePortfolio(account).data;
  const position = portfolio?.positions.find((one) => one.symbol === symbol);

  const lacks = missing(ticket);
  const wrongExit = useQuoteText(symbol, (now) => wrongExits(ticket, now));
  const isIncomplete = lacks !== null || wrongExit !== null;
  const body = useMemo<Body | null>(() => {
    if (!account || isIncomplete) return null;
    return bodyOf(ticket, account, symbol);
  }, [ticket, account, symbol, isIncomplete]);
  const { preview, isOfBefore, stopped } = usePreview(body, symbol, account, barred === null);
  const needsAuthorization = preview.data?.needs_authorization;
  const neverOneClick = needsAuthorization === true;
  const hindrance = stopped ?? (lacks ? `Give ${lacks}.` : wrongExit);
  const clicksSend = isOneClick && needsAuthorization === false && !barred && !stopped;
  const isUnclear = sender.now.state === "unclear";

  const send = () => {
    if (!body || barred || isUnclear || hindrance) return;
    sender.send(body, isOfBefore ? undefined : preview.data);
  };

  const latest = useRef({ ticket, change, clicksSend, account, sender, isUnclear });
  latest.current = { ticket, change, clicksSend, account, sender, isUnclear };
  const arm = useCallback((side: Side, price: string) => {
    const { ticket: before, change: set } = latest.current;
    const { type, limit } = armed(before, side, price);
    set({ ...retyped(before, type), side, limit });
  }, []);
  const pick = useCallback(
    (side: Side, price: string) => {
      arm(side, price);
      setTab("ticket");
      const { ticket: before, clicksSend: goes, account: of, sender: by, isUnclear: waits } = latest.current;
      const one = { ...before, side, type: "limit" as const, limit: price, isBracket: false, algorithm: "" as const };
      if (!goes || !of || waits || missing(one) !== null) {
        if (!before.qty) qty.current?.focus();
        return;
      }
      by.send(orderOf(one, of, symbol));
    },
    [arm, symbol],
  );
  const choose = (side: Side) => {
    change({ side });
    setTab("ticket");
    requestAnimationFrame(() => qty.current?.focus());
  };
  const toLimit = () => {
    const from = near(quote.current, ticket.side);
    const next = retyped(ticket, "limit");
    change({ ...next, ...((next.limit ?? ticket.limit) || !from ? {} : { limit: priceText(instrument, from) }) });
  };
  useKeys([
    ["b", "Ticket: buy", () => choose("buy")],
    ["s", "Ticket: sell", () => choose("sell")],
    ["l", "Ticket: limit order", toLimit],
    ["k", "Ticket: market order", () => change(retyped(ticket, "market"))],
    ["$mod+Enter", "Send the order of the ticket", send],
    ["Escape", "Take back what the ladder armed", () => change({ limit: "" })],
    ["Shift+X", `Cancel all of ${symbol}`, () => working.length > 0 && !barred && setAsksCancel(true)],
  ]);

  const working = useMemo(
    () => (orders ?? []).filter((order) => order.symbol === symbol && isWorking(order)),
    [orders, symbol],
  );
  // The other side of the symbol is free of charge to some extent, and limits count in the account's own currency.
  const holds = sign(position?.qty ?? "0");
  const reservesAll =
    (ticket.side === "buy" ? holds >= 0 : holds <= 0) &&
    !working.some((order) => order.side !== ticket.side) &&
    chosen?.balances?.[0]?.currency === instrument.currency;
  const marks = useMemo<PriceMark[]>(() => {
    const lines = working.flatMap((order): PriceMark[] => {
      const { id, side, limit_price: limit, stop_price: stop } = order;
      if (!side) return [];
      const mark = { kind: side, title: `${side === "buy" ? "Buy" : "Sell"} ${show(order.leaves_qty)}` };
      // Where an order has both, a drag moves its limit; its stop is moved in the dialog that replaces it.
      return [
        ...(limit ? [{ ...mark, id, price: limit, term: "limit" as const, moves: !barred }] : []),
        ...(stop
          ? [{ ...mark, id: limit ? `${id} stop` : id, price: stop, term: "stop" as const, moves: !limit && !barred }]
          : []),
      ];
    });
    if (position?.avg_price && sign(position.qty) !== 0) {
      const kind = sign(position.qty) > 0 ? "long" : "short";
      const title = `${kind === "long" ? "Long" : "Short"} ${show(position.qty.replace("-", ""))}`;
      lines.push({ id: "position", price: position.avg_price, title, kind, moves: false });
    }
    return lines;
  }, [working, position?.avg_price, position?.qty, barred]);
  const drop = useCallback(
    (id: string, price: string) => {
      const order = working.find((one) => one.id === id);
      if (order) setMoved({ order, price });
    },
    [working],
  );
  const armedAt = useMemo(
    () => (ticket.limit ? { side: ticket.side, price: ticket.limit } : null),
    [ticket.limit, ticket.side],
  );

  const chart = (
    <Suspense fallback={<Loading rows={10} />}>
      <Chart instrument={instrument} fills={fills ?? NONE} marks={marks} onDrop={drop} />
    </Suspense>
  );
  const ladder = (
    <Ladder
      instrument={instrument}
      account={account}
      armed={armedAt}
      isOneClick={clicksSend}
      onArm={arm}
      onPick={pick}
    />
  );
  const tape = <Tape instrument={instrument} />;
  const form = (
    <TicketForm
      instrument={instrument}
      ticket={ticket}
      change={change}
      barred={barred}
      preview={preview}
      isOfBefore={isOfBefore}
      reservesAll={reservesAll}
      hindrance={hindrance}
      isIncomplete={isIncomplete}
      isJustSent={body !== null && sender.isJustSent(body)}
      sender={sender}
      onSend={send}
      quote={quote}
      isOneClick={clicksSend}
      setOneClick={setOneClick}
      neverOneClick={neverOneClick}
      qtyRef={qty}
    />
  );
  // Who traded once and now only watches still sees what there is.
  const why = barred && !account && <NoAccount barred={barred} symbol={symbol} accounts={accounts} />;
  const shared = { account, barred: why, symbol };
  return (
    <div className={`trade ${width}`}>
      <SymbolBar instrument={instrument} />
      {width === "narrow" ? (
        <>
          <TabPanel
            label="Market and ticket"
            className="trade-tabs"
            chosen={tab}
            onChoose={setTab}
            tabs={[
              { id: "chart", title: "Chart", content: () => chart },
              { id: "ladder", title: "Ladder", content: () => ladder },
              { id: "ticket", title: "Ticket", content: () => form },
              { id: "tape", title: "Tape", content: () => tape },
            ]}
          />
          <Blotter {...shared} isNarrow tabs={["working", "orders", "fills", "positions"]} className="trade-blotter" />
        </>
      ) : (
        <>
          {width === "wall" && (
            <Panel title="Symbols" flush className="trade-watch">
              <Watch instruments={instruments} chosen={symbol} />
            </Panel>
          )}
          <section className="panel trade-chart" aria-label="Chart">
            {chart}
          </section>
          <Panel title="Ladder" flush className="trade-ladder">
            {ladder}
          </Panel>
          <Panel title="Time and sales" flush className="trade-tape">
            {tape}
          </Panel>
          <Panel title="Order" flush className="trade-ticket">
            {form}
          </Panel>
          {width === "wall" ? (
            <div className="trade-blotter two">
              <Blotter {...shared} tabs={["working", "orders"]} />
              <Blotter {...shared} tabs={["positions", "fills"]} />
            </div>
          ) : (
            <Blotter {...shared} tabs={["working", "orders", "fills", "positions"]} className="trade-blotter" />
          )}
        </>
      )}
      <AuthorizeNow sender={sender} />
      {moved && (
        <Confirm
          title={dropped(moved.order, moved.price).text}
          act="Replace"
          onConfirm={() => replace(client, moved.order, dropped(moved.order, moved.price).body)}
          onClose={() => setMoved(null)}
        >
          <p>
            {moved.order.side === "buy" ? "Buy" : "Sell"} {show(moved.order.leaves_qty)} {symbol}: the order loses its
            place in the queue.
          </p>
        </Confirm>
      )}
      {asksCancel && account && (
        <AskCancelAll account={account} orders={working} symbol={symbol} onClose={() => setAsksCancel(false)} />
      )}
    </div>
  );
}

const NONE: never[] = [];
