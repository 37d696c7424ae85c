import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { cleanup, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { Order } from "../../live/account";
import * as market from "../../live/market";
import { show } from "../testing";
import { fitting, Ladder, Row } from "./ladder";
import { isResting, ladderRows, ownBySteps, stepsOf } from "./ladder-rows";

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
  ({ id, side, limit_price, leaves_qty }) as Order;

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
    expect(ownBySteps(orders, places, "0.01").get(10_000)).toEqual({
      side: "buy",
      qty: "15",
      ahead: "40",
      behind: "90",
    });
    expect(ownBySteps(orders, undefined, "0.01").get(10_000)?.ahead).toBeNull();
  });

  it("leave out what does not stand in the book", () => {
    const rests = (more: Partial<Order>) => isResting({ ...order("1", "buy", "100", "5"), status: "new", ...more });
    expect(rests({})).toBe(true);
    expect(rests({ status: "pending_new", parent: "0" })).toBe(false);
    expect(rests({ status: "pending_approval" })).toBe(false);
    expect(rests({ status: "canceled" })).toBe(false);
    expect(rests({ limit_price: null })).toBe(false);
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
        ownSide="buy"
        ownQty="10"
        ahead="290"
        behind="0"
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
    expect(screen.getByText("Your buy of 10 at 100.01, 290 ahead of it, 0 behind")).toBeTruthy();
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
