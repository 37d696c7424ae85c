import { useQuery } from "@tanstack/react-query";
import { type KeyboardEvent, memo, useEffect, useMemo, useRef, useState } from "react";
import { api, take } from "../../api/client";
import { Button } from "../../components/controls";
import { Empty, Loading } from "../../components/states";
import { isDecimal, multiply, show, subtract } from "../../format/number";
import { priceText, stepOf, stepped } from "../../format/price";
import { useOrders } from "../../live/account";
import { useBook, useIsBookOld } from "../../live/market";
import { useKeys } from "../../shell/keys";
import type { Instrument } from "../../shell/user";
import { isOnLadder, ladderRows, type Own, ownBySteps, stepsOf } from "./ladder-rows";
import type { Side } from "./ticket-model";

/** The height of a row, as in the style sheet. */
const ROW_PX = 20;
/** How far the market may leave the middle, in parts of what is seen, before the ladder follows. */
const LEAVES = 0.3;
/** Steps in one row: a wide market fits into few rows. */
const GROUPS = ["1", "5", "10", "50", "100"] as const;
type Group = (typeof GROUPS)[number];

interface LadderProps {
  instrument: Instrument;
  account: string | undefined;
  /** What the ticket has armed. */
  armed: { side: Side; price: string } | null;
  isOneClick: boolean;
  onArm: (side: Side, price: string) => void;
  onPick: (side: Side, price: string) => void;
}

/** The places of one's own orders in the queue; nothing where the gateway cannot tell them. */
function usePlaces(symbol: string, account: string | undefined, mayRest: boolean) {
  return useQuery({
    queryKey: ["queue", account, symbol],
    queryFn: ({ signal }) =>
      take(
        api.GET("/api/v1/books/{symbol}/queue", {
          params: { path: { symbol }, query: { account: account ?? "" } },
          signal,
        }),
      ),
    enabled: !!account && mayRest,
    staleTime: 0,
    retry: false,
    refetchInterval: 1_000,
  });
}

/** The market by price, and one's own orders in it. A click arms the ticket. */
export const Ladder = memo(function Ladder({ instrument, account, armed, isOneClick, onArm, onPick }: LadderProps) {
  const { symbol } = instrument;
  const book = useBook(symbol)?.data;
  const isOld = useIsBookOld(symbol);
  const orders = useOrders(account).data;
  const shown = useMemo(
    () => (orders ?? []).filter((order) => order.symbol === symbol && isOnLadder(order)),
    [orders, symbol],
  );
  const mayRest = shown.some((order) => order.limit_price);
  const places = usePlaces(symbol, account, mayRest).data;
  const box = useRef<HTMLDivElement>(null);
  const [count, setCount] = useState(24);
  const [shift, setShift] = useState(0);
  const [chosenGroup, setGroup] = useState<Group | "auto">("auto");
  const autoGroup = useRef<Group>("1");
  const base = useRef<number | null>(null);
  const isPointed = useRef(false);
  // A price must not come under the pointer that was not there when it was aimed at; still less where a click sends.
  const isHeld = base.current !== null && (isPointed.current || isOneClick);

  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const row = matchMedia("(pointer: coarse)").matches ? ROW_PX * 1.6 : ROW_PX;
    const measure = () => setCount(Math.max(8, Math.floor(element.clientHeight / row)));
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    const turn = (event: WheelEvent) => {
      event.preventDefault();
      setShift((before) => before - Math.sign(event.deltaY) * 3);
    };
    element.addEventListener("wheel", turn, { passive: false });
    measure();
    return () => {
      observer.disconnect();
      element.removeEventListener("wheel", turn);
    };
  }, []);

  const [first, second] = [book?.bids[0]?.price, book?.asks[0]?.price];
  const bid = first && priceText(instrument, first);
  const ask = second && priceText(instrument, second);
  const near = bid ?? ask;
  const unit = stepOf(instrument, near ?? "0");
  if (bid && ask && !isHeld) autoGroup.current = fitting(autoGroup.current, stepsOf(subtract(ask, bid), unit), count);
  const group = chosenGroup === "auto" ? autoGroup.current : chosenGroup;
  const step = multiply(unit, group);
  const lastStep = useRef(step);
  if (lastStep.current !== step) {
    // Rows have another size: the middle is another number of them.
    lastStep.current = step;
    base.current = null;
  }
  const bidAt = bid ? stepsOf(bid, step, "buy") : null;
  const askAt = ask ? stepsOf(ask, step, "sell") : null;
  const armedAt = armed && isDecimal(armed.price) ? stepsOf(armed.price, step, armed.side) : null;
  const middle = bidAt !== null && askAt !== null ? Math.round((bidAt + askAt) / 2) : (bidAt ?? askAt);
  if (middle !== null) {
    const away = base.current === null ? 1 : Math.abs(middle - base.current) / count;
    if (base.current === null || (shift === 0 && away > LEAVES && !isHeld)) base.current = middle;
  }
  const recentre = () => {
    base.current = middle;
    setShift(0);
  };
  useKeys([["c", "Centre the ladder", recentre]]);
  const own = useMemo(() => ownBySteps(shown, places, step), [shown, places, step]);
  const centre = (base.current ?? 0) + shift;
  const rows = useMemo(
    () => (book ? ladderRows({ book, centre, count, step, own }) : []),
    [book, centre, count, step, own],
  );

  const move = (event: KeyboardEvent) => {
    // Enter that is held on a row is one click.
    if (event.repeat && event.key === "Enter") event.preventDefault();
    const way = event.key === "ArrowUp" ? 1 : event.key === "ArrowDown" ? -1 : 0;
    if (!way || !near) return;
    event.preventDefault();
    const side = armed?.side ?? "buy";
    const price =
      armed && armedAt !== null
        ? stepped(instrument, armed.price, way * Number(group))
        : side === "buy"
          ? (bid ?? near)
          : (ask ?? near);
    onArm(side, price);
    // What is armed stays in sight.
    const at = stepsOf(price, step);
    if (Math.abs(at - centre) > count / 2 - 1) setShift(at - (base.current ?? at));
  };

  return (
    <div className="ladder">
      <div className="ladder-head" aria-hidden="true">
        <span>Own</span>
        <span>Bid</span>
        <span>Price</span>
        <span>Offer</span>
      </div>
      {/* biome-ignore lint/a11y/useSemanticElements: a group of controls, not of fields */}
      <div
        className={isOld ? "ladder-rows not-live" : "ladder-rows"}
        ref={box}
        role="group"
        aria-label={`Ladder of ${symbol}: arrow keys move the armed price`}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: the keyboard arms prices here
        tabIndex={0}
        onKeyDown={move}
        onPointerEnter={() => {
          isPointed.current = true;
        }}
        onPointerLeave={() => {
          isPointed.current = false;
        }}
      >
        {!book && <Loading rows={10} />}
        {book && !near && <Empty title="The book is empty">Nobody bids or offers now.</Empty>}
        {near &&
          rows.map((row) => (
            <Row
              key={row.price}
              price={row.price}
              bid={row.bid}
              ask={row.ask}
              share={row.share}
              best={row.at === bidAt ? "bid" : row.at === askAt ? "ask" : ""}
              armed={armed && row.at === armedAt ? armed.side : ""}
              own={row.own}
              isOneClick={isOneClick}
              onPick={onPick}
            />
          ))}
      </div>
      <div className="ladder-foot">
        <Button small onClick={recentre} aria-keyshortcuts="c" disabled={middle === null}>
          Centre
        </Button>
        <span className="figures muted">{bid && ask ? `Spread ${show(subtract(ask, bid))}` : ""}</span>
        <select
          className="input"
          aria-label="Steps in one row"
          value={chosenGroup}
          onChange={(event) => {
            setShift(0);
            setGroup(event.target.value as Group | "auto");
          }}
        >
          <option value="auto">Auto ×{autoGroup.current}</option>
          {GROUPS.map((one) => (
            <option key={one} value={one}>
              ×{one}
            </option>
          ))}
        </select>
      </div>
    </div>
  );
});

/** The fewest steps in a row with which both sides are seen; smaller again only where the market fits well, so that it does not flicker. */
export function fitting(now: Group, spread: number, rows: number): Group {
  const rowsOf = (group: Group) => spread / Number(group);
  const least = GROUPS.find((group) => rowsOf(group) <= rows * 0.6) ?? "100";
  if (Number(least) >= Number(now)) return least;
  return GROUPS.find((group) => rowsOf(group) <= rows * 0.3) ?? now;
}

interface RowProps {
  price: string;
  bid: string;
  ask: string;
  share: number;
  best: string;
  armed: string;
  own: readonly Own[];
  isOneClick: boolean;
  onPick: (side: Side, price: string) => void;
}

/** One price. A row that did not change is not drawn again: what is one's own is the same as long as no order of one's own changes. */
export const Row = memo(function Row(props: RowProps) {
  const { price, bid, ask, share, best, armed, own, isOneClick, onPick } = props;
  const act = isOneClick ? "at once, limit" : "limit";
  const names = ["ladder-row", best && `best-${best}`, armed && `armed-${armed}`].filter(Boolean).join(" ");
  return (
    <div className={names}>
      <span className="ladder-own figures">
        {own.map((one) => (
          <OwnHere key={`${one.side} ${one.waits}`} own={one} price={price} />
        ))}
      </span>
      <button
        type="button"
        tabIndex={-1}
        className="ladder-bid figures"
        aria-label={`Buy ${act} ${price}${bid ? `, ${bid} bid` : ""}`}
        onClick={() => onPick("buy", price)}
      >
        {bid && <i style={{ width: `${share}%` }} />}
        <span>{bid && show(bid)}</span>
      </button>
      <span className="ladder-price figures">{show(price)}</span>
      <button
        type="button"
        tabIndex={-1}
        className="ladder-ask figures"
        aria-label={`Sell ${act} ${price}${ask ? `, ${ask} offered` : ""}`}
        onClick={() => onPick("sell", price)}
      >
        {ask && <i style={{ width: `${share}%` }} />}
        <span>{ask && show(ask)}</span>
      </button>
    </div>
  );
});

function OwnHere({ own, price }: { own: Own; price: string }) {
  const { side, qty, waits, ahead, behind } = own;
  const place = waits
    ? "not in the book"
    : [ahead && `${show(ahead)} ahead of it`, behind && `${show(behind)} behind`].filter(Boolean).join(", ");
  return (
    <span className={`ladder-order ${side} ${waits ? "waits" : ""}`} title={place || undefined}>
      <span className="unseen">
        {`Your ${side} of ${qty}${waits ? `, ${waits} ${price}` : ` at ${price}`}${place && `, ${place}`}`}
      </span>
      <span aria-hidden="true">
        {side === "buy" ? "B" : "S"} {show(qty)}
        {waits && <small> {waits}</small>}
        {!waits && ahead && <small> ↥{show(ahead)}</small>}
      </span>
    </span>
  );
}
