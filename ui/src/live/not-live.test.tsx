import { act, cleanup, screen } from "@testing-library/react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { clock } from "../format/time";
import { Ask, AsOf, Bid, Last } from "../pages/market/cells";
import { gateway, show } from "../pages/testing";
import { SymbolBar } from "../pages/trade/symbol-bar";
import type { Instrument } from "../shell/user";
import type { Quote } from "./market";
import { type Follower, type Link, socket } from "./socket";

const INSTRUMENT = {
  symbol: "TIDE",
  venue: "PAPER",
  currency: "USD",
  tick_size: "0.01",
  order_tick: "0.01",
  order_tick_from: "0",
} as Instrument;
const NOW = Date.parse("2026-11-23T14:03:07Z");
const quote = (seq: number, price: string, at = NOW): Quote => ({
  symbol: "TIDE",
  status: "trading",
  seq,
  time: new Date(at).toISOString(),
  bid_price: price,
  ask_price: price,
  last_price: price,
});

let link: Link;
let followers: Follower[];
let listeners: (() => void)[];

/** The socket comes or goes, or time passes. */
function then(change: () => void, ms = 100): void {
  act(() => {
    change();
    vi.advanceTimersByTime(ms);
  });
}
const tell = (told: Quote) => then(() => followers.at(-1)?.onData({ ...told }, {}));
const connect = (next: Link) =>
  then(() => {
    link = next;
    for (const listener of listeners) listener();
  });
const wait = (ms: number) => then(() => undefined, ms);

beforeEach(() => {
  vi.useFakeTimers({ now: NOW });
  [link, followers, listeners] = ["live", [], []];
  vi.spyOn(socket, "state").mockImplementation(() => link);
  vi.spyOn(socket, "subscribe").mockImplementation((listener) => {
    listeners.push(listener);
    return () => undefined;
  });
  vi.spyOn(socket, "follow").mockImplementation((_channel, _of, follower) => {
    followers.push(follower);
    return () => undefined;
  });
  gateway({ "GET /history/TIDE": [] });
});
afterEach(() => {
  cleanup();
  // What nobody looks at any more is let go.
  vi.advanceTimersByTime(5_000);
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const isDimmed = (text: string) => screen.getAllByText(text).map((one) => one.closest(".not-live") !== null);

function Row({ asked }: { asked: Quote | undefined }) {
  const row = { instrument: INSTRUMENT, quote: asked };
  return (
    <>
      <Bid {...row} of="price" />
      <Ask {...row} of="price" />
      <Last {...row} />
      <p data-testid="as-of">
        <AsOf {...row} />
      </p>
    </>
  );
}

test("prices of a market that says nothing any more are dimmed, with the time since when", () => {
  show(<Row asked={undefined} />);
  tell(quote(1, "100.00"));
  expect(isDimmed("100.00")).toEqual([false, false, false]);
  expect(screen.getByTestId("as-of").textContent).toBe(clock(NOW));
  wait(7_000);
  expect(isDimmed("100.00")).toEqual([true, true, true]);
  expect(screen.getByTestId("as-of").textContent).toBe(`Nothing new since ${clock(NOW)}`);
  // The socket came back, and the same quote is told again.
  tell(quote(1, "100.00"));
  expect(isDimmed("100.00")).toEqual([true, true, true]);
  tell(quote(2, "100.01", NOW + 7_000));
  expect(isDimmed("100.01")).toEqual([false, false, false]);
});

test("no price passes as live while the page is not connected", () => {
  show(<Row asked={undefined} />);
  tell(quote(1, "100.00"));
  connect("connecting");
  expect(isDimmed("100.00")).toEqual([true, true, true]);
  connect("live");
  expect(isDimmed("100.00")).toEqual([false, false, false]);
});

test("while nothing is told, what was asked for is newer than what was told before", () => {
  const { rerender } = show(<Row asked={quote(1, "99.00")} />);
  expect(isDimmed("99.00")).toEqual([true, true, true]);
  tell(quote(2, "100.00"));
  expect(screen.queryByText("99.00")).toBeNull();
  connect("offline");
  rerender(<Row asked={quote(3, "101.00")} />);
  expect(isDimmed("101.00")).toEqual([true, true, true]);
});

test("the symbol's bar dims its prices and says since when, without a word that changes each second", () => {
  show(<SymbolBar instrument={INSTRUMENT} />);
  tell(quote(1, "100.00"));
  expect(isDimmed("100.00")).toEqual([false, false, false]);
  screen.getByText("Trading");
  wait(7_000);
  const said = screen.getByRole("status").textContent;
  expect(said).toBe(`TradingNothing new since ${clock(NOW)}`);
  expect(isDimmed("100.00")).toEqual([true, true, true]);
  wait(2_000);
  expect(screen.getByRole("status").textContent).toBe(said);
  tell(quote(2, "100.01", NOW + 9_000));
  connect("offline");
  expect(isDimmed("100.01")).toEqual([true, true, true]);
  expect(screen.getByRole("status").textContent).toBe(`DisconnectedNothing new since ${clock(NOW + 9_000)}`);
});
