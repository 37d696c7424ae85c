import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { cleanup, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { Order } from "../../live/account";
import * as market from "../../live/market";
import { show } from "../testing";
import { fitting, Ladder, Row } from "./ladder";
import { isOnLadder, ladderRows, ownBySteps, stepsOf } from "./ladder-rows";

const level = (price: string, qty: string) => ({ price, qty, orders: 1 });
const book: market.Book = {
  symbol: "TIDE",
  status: "trading",
  time: "2026-11-23T00:00:00Z",
  seq: 1,
  bids: [level("100.0100", "300"), level("100.0000", "50"), level("99.9950", "7")],
  asks: [level("100.0300", "600"), level("100.0350", "5")],
};
const order = (id: string, side: "buy" | "sell", limit_price: string, leaves_qty: string) =>
  ({ id, side, type: "limit", limit_price, leaves_qty, filled_qty: "0" }) as Order;

afterEach(() => {
  cleanup();
  vi.restoreAllMocks();
});

describe("rows of the ladder", () => {
  const rows = ladderRows({ book, centre: 10_002, count: 6, step: "0.01", own: new Map() });

  it("go down from the highest price by the step", () => {
    expect(rows.map((row) => row.price)).toEqual(["100.05", "100.04", "100.03", "100.02", "100.01", "100.00"]);
    expect(rows.map((row) => row.bid)).toEqual(["", "", "", "", "300", "50"]);
    expect(rows.map((row) => row.share)).toEqual([0, 1, 100, 0, 50, 8]);
  });

  it("put a price between two steps to the worse one, and add up", () => {
    expect(rows.map((row) => row.ask)).toEqual(["", "5", "600", "", "", ""]);
    const coarse = ladderRows({ book, centre: 1_000, count: 3, step: "0.1", own: new Map() });
    expect(coarse.map((row) => [row.price, row.bid, row.ask])).toEqual([
      ["100.1", "", "605"],
      ["100.0", "350", ""],
      ["99.9", "7", ""],
    ]);
  });

  it("leave out prices below one step", () => {
    expect(ladderRows({ book, centre: 1, count: 4, step: "0.01", own: new Map() }).map((row) => row.price)).toEqual([
      "0.03",
      "0.02",
      "0.01",
    ]);
  });

  it("are not moved by floating point", () => {
    expect(stepsOf("0.29", "0.01", "buy")).toBe(29);
    expect(stepsOf("1.15", "0.01", "sell")).toBe(115);
  });

  it("show the first of one's own at a price, and all their quantity", () => {
    const places = [
      {
        order: "old",
        side: "buy" as const,
        price: "100",
        leaves_qty: "10",
        ahead: "40",
        behind: "90",
        level_qty: "140",
      },
      {
        order: "new",
        side: "buy" as const,
        price: "100",
        leaves_qty: "5",
        ahead: "120",
        behind: "0",
        level_qty: "140",
      },
    ];
    const orders = [order("new", "buy", "100.0000", "5"), order("old", "buy", "100.00", "10")];
    expect(ownBySteps(orders, places, "0.01").get(10_000)).toEqual([
      { side: "buy", waits: null, qty: "15", ahead: "40", behind: "90" },
    ]);
    expect(ownBySteps(orders, undefined, "0.01").get(10_000)?.[0]?.ahead).toBeNull();
  });

  it("do not add up both sides", () => {
    const orders = [order("1", "buy", "100.04", "5"), order("2", "sell", "99.96", "7")];
    expect(ownBySteps(orders, undefined, "0.1").get(1_000)).toMatchObject([
      { side: "buy", qty: "5" },
      { side: "sell", qty: "7" },
    ]);
  });

  const waiting = (type: string, side: "buy" | "sell", more: Partial<Order>) =>
    ({ ...order("1", side, "", "5"), type, limit_price: null, ...more }) as Order;
  const where = (one: Order, places?: never[]) =>
    [...ownBySteps([one], places, "0.1")].map(([at, [own]]) => [at, own?.waits]);

  it.each([
    ["stop", "buy", { stop_price: "101.25" }, [[1_013, "stop"]]],
    ["stop", "sell", { stop_price: "98.75" }, [[987, "stop"]]],
    ["stop_limit", "sell", { stop_price: "98.7", limit_price: "98.5" }, [[987, "stop"]]],
    ["market_if_touched", "buy", { stop_price: "98.75" }, [[987, "touch"]]],
    // Where it is now is not told, and it is not at its limit.
    ["trailing_stop_limit", "sell", { limit_price: "98.5" }, []],
  ] as const)("have what waits where it waits: %s %s", (type, side, more, at) => {
    expect(where(waiting(type, side, more))).toEqual(at);
  });

  it("have a stop-limit at its limit once it has a place in the queue, or is executed in part", () => {
    const stop = { stop_price: "98.7", limit_price: "98.5" };
    const place = { order: "1", side: "sell", price: "98.5", leaves_qty: "5", level_qty: "9" };
    expect(where(waiting("stop_limit", "sell", stop), [place as never])).toEqual([[985, null]]);
    expect(where(waiting("stop_limit", "sell", { ...stop, filled_qty: "1" }))).toEqual([[985, null]]);
  });

  it("leave out what neither stands in the book nor waits for a price", () => {
    const rests = (more: Partial<Order>) => isOnLadder({ ...order("1", "buy", "100", "5"), status: "new", ...more });
    expect(rests({})).toBe(true);
    expect(rests({ status: "pending_new", parent: "0" })).toBe(false);
    expect(rests({ status: "pending_approval" })).toBe(false);
    expect(rests({ status: "canceled" })).toBe(false);
    expect(rests({ limit_price: null })).toBe(false);
    expect(rests({ limit_price: null, stop_price: "101" })).toBe(true);
  });

  it("take more steps for a wide market, and fewer only when it is narrow again", () => {
    expect(fitting("1", 2, 17)).toBe("1");
    expect(fitting("1", 17, 17)).toBe("5");
    expect(fitting("5", 9, 17)).toBe("5");
    expect(fitting("5", 3, 17)).toBe("1");
    expect(fitting("1", 100_000, 17)).toBe("100");
  });
});

describe("a row", () => {
  it("picks a side and its price, and says what is one's own", () => {
    const onPick = vi.fn();
    render(
      <Row
        price="100.01"
        bid="300"
        ask=""
        share={50}
        best="bid"
        armed=""
        own={[
          { side: "buy", qty: "10", waits: null, ahead: "290", behind: "0" },
          { side: "sell", qty: "5", waits: "stop", ahead: null, behind: null },
        ]}
        isOneClick={false}
        onPick={onPick}
      />,
    );
    fireEvent.click(screen.getByLabelText("Buy limit 100.01, 300 bid"));
    fireEvent.click(screen.getByLabelText("Sell limit 100.01"));
    expect(onPick.mock.calls).toEqual([
      ["buy", "100.01"],
      ["sell", "100.01"],
    ]);
    screen.getByText("Your buy of 10 at 100.01, 290 ahead of it, 0 behind");
    screen.getByText("Your sell of 5, stop 100.01, not in the book");
    expect(screen.getByText("stop").parentElement?.textContent).toBe("S 5 stop");
  });
});

describe("the ladder", () => {
  class Unobserved {
    observe() {}
    disconnect() {}
  }
  const instrument = { symbol: "TIDE", tick_size: "0.01", order_tick: "0.01", order_tick_from: "0" } as never;
  const at = (bid: string, ask: string) => ({
    data: { ...book, bids: [level(bid, "1")], asks: [level(ask, "1")] },
    at: 0,
  });

  it.each([true, false])("is dimmed while its book is old: %s", (isOld) => {
    vi.stubGlobal("ResizeObserver", Unobserved);
    vi.stubGlobal("matchMedia", () => ({ matches: false }));
    vi.spyOn(market, "useBook").mockReturnValue(at("100.00", "100.02"));
    vi.spyOn(market, "useIsBookOld").mockReturnValue(isOld);
    const none = () => undefined;
    show(
      <Ladder instrument={instrument} account={undefined} armed={null} isOneClick={false} onArm={none} onPick={none} />,
    );
    expect(screen.getByRole("group").classList.contains("not-live")).toBe(isOld);
  });

  it.each([
    ["follows the market", false, false, true],
    ["stays where it is while the pointer is over it", true, false, false],
    ["stays where it is while a click sends", false, true, false],
  ])("%s", (_, isPointed, isOneClick, follows) => {
    vi.stubGlobal("ResizeObserver", Unobserved);
    vi.stubGlobal("matchMedia", () => ({ matches: false }));
    const told = vi.spyOn(market, "useBook").mockReturnValue(at("100.00", "100.02"));
    const ladder = (key: number) => (
      <Ladder
        instrument={instrument}
        account={undefined}
        armed={null}
        isOneClick={isOneClick}
        onArm={() => undefined}
        // Another function, so that it is drawn anew.
        onPick={() => key}
      />
    );
    const { rerender } = show(ladder(1));
    const middle = () => screen.queryByText("100.01", { selector: ".ladder-price" });
    expect(middle()).toBeTruthy();
    if (isPointed) fireEvent.pointerEnter(screen.getByRole("group"));
    told.mockReturnValue(at("150.00", "150.02"));
    rerender(<QueryClientProvider client={new QueryClient()}>{ladder(2)}</QueryClientProvider>);
    expect(middle() === null).toBe(follows);
  });
});
