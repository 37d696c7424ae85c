import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { act, cleanup, fireEvent, screen, waitFor } from "@testing-library/react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { socket } from "../live/socket";
import { gateway, show } from "../pages/testing";
import { Keys } from "../shell/keys";
import type { Instrument } from "../shell/user";
import Chart from "./chart";
import type { PriceMark } from "./lines";
import { bar, given, PastMinutes } from "./testing";

vi.mock("./colours", async (original) => ({
  ...(await original<object>()),
  colours: () =>
    new Proxy({ warn: "orange", vwap: "violet" }, { get: (some, name) => Reflect.get(some, name) ?? "grey" }),
}));
vi.mock("lightweight-charts", async (original) => (await import("./testing")).library(await original<object>()));

const INSTRUMENT = {
  symbol: "TIDE",
  venue: "PAPER",
  tick_size: "0.01",
  order_tick: "0.05",
  order_tick_from: "0",
  price_decimals: 2,
} as Instrument;
const MARKS: PriceMark[] = [
  { id: "low", price: "99.5000", title: "Buy 10", kind: "buy", term: "limit", moves: true },
  { id: "position", price: "100.4", title: "Long 5", kind: "long", moves: false },
  { id: "high", price: "101.2500", title: "Buy 100", kind: "buy", term: "stop", moves: true },
];
const BARS = Array.from({ length: 400 }, (_, minute) => bar(minute));

const onDrop = vi.fn();
beforeEach(() => {
  vi.stubGlobal("matchMedia", () => ({ matches: false, addEventListener: () => {}, removeEventListener: () => {} }));
  gateway({ "GET /history/TIDE": BARS });
});
afterEach(() => {
  cleanup();
  localStorage.clear();
  onDrop.mockReset();
  vi.unstubAllGlobals();
});

const chart = () => screen.getByRole("application", { name: "Chart of TIDE: keys" });
const press = (key: string, more: object = {}) => fireEvent.keyDown(chart(), { key, ...more });
const said = () => screen.getByRole("status").textContent;
const line = (title: string) => given.priceLines.find((one) => one.title === title);

async function open() {
  const told = show(<Chart instrument={INSTRUMENT} fills={[]} marks={MARKS} onDrop={onDrop} />);
  await waitFor(() => expect(given.seen).toEqual({ from: 260, to: 405 }));
  return told;
}

test("the chart can have the focus, and says its keys", async () => {
  await open();
  chart().focus();
  expect(document.activeElement).toBe(chart());
  const about = document.getElementById(chart().getAttribute("aria-describedby") ?? "");
  expect(about?.textContent).toContain("o your next order");
  expect(screen.getByRole("img", { name: "Chart of TIDE, 1m" })).toBeTruthy();
});

test("the legend has the bar under the pointer, with its change, and each indicator in its colour", async () => {
  localStorage.setItem("tidegate.chart", JSON.stringify({ resolution: "1m", indicators: ["sma", "vwap"] }));
  const last = { ...BARS[399], open: "99", close: "1000.5", volume: "12345" };
  gateway({ "GET /history/TIDE": BARS.with(399, last as (typeof BARS)[0]) });
  await open();
  const legend = screen.getByTestId("legend");
  const [bar, lines] = legend.children;
  const said = (element: Element | undefined) => [...(element?.children ?? [])].map((one) => one.textContent);
  const newest = [
    "O\u00a099.00",
    "H\u00a0101.00",
    "L\u00a099.00",
    "C\u00a01,000.50",
    "+900.50\u00a0%",
    "V\u00a012,345",
  ];
  expect(said(bar).slice(0, 6)).toEqual(newest);
  expect(said(lines)).toEqual(["SMA 20\u00a0━\u00a0145.03", "VWAP of the day\u00a0╍\u00a0100.00"]);
  const colours = [...legend.querySelectorAll<HTMLElement>(".chart-reading [aria-hidden]")].map(
    (one) => one.style.color,
  );
  expect(colours).toEqual(["orange", "violet"]);
  act(() => given.hover({ time: 60 }));
  expect(said(legend.children[0])[4]).toBe("0.00\u00a0%");
});

test("the numbers of an indicator are in the legend, and last", async () => {
  const { unmount } = await open();
  fireEvent.click(screen.getByRole("checkbox", { name: "SMA" }));
  fireEvent.change(screen.getByRole("spinbutton", { name: "Length of SMA" }), { target: { value: "7" } });
  expect(screen.getByTestId("legend").textContent).toContain("SMA 7");
  unmount();
  await open();
  expect(screen.getByTestId("legend").textContent).toContain("SMA 7");
});

test("arrows move through time, signs zoom, Home and End go to the ends", async () => {
  await open();
  press("ArrowLeft", { shiftKey: true });
  expect(given.seen).toEqual({ from: 115, to: 260 });
  press("ArrowRight");
  expect(given.seen).toEqual({ from: 129.5, to: 274.5 });
  press("Home");
  expect(given.seen).toEqual({ from: 0, to: 145 });
  press("ArrowLeft");
  expect(given.seen).toEqual({ from: 0, to: 145 });
  press("+");
  expect(given.seen).toEqual({ from: 29, to: 145 });
  press("-");
  expect(given.seen).toEqual({ from: 0, to: 145 });
  for (let times = 0; times < 40; times += 1) press("+");
  expect(given.seen).toEqual({ from: 135, to: 145 });
  press("End");
  expect(given.seen).toEqual({ from: 260, to: 405 });
  press("ArrowRight", { shiftKey: true });
  expect(given.seen).toEqual({ from: 260, to: 405 });
});

test.each(["ctrlKey", "altKey", "metaKey"])("keys with %s are the browser's", async (held) => {
  await open();
  expect(press("ArrowLeft", { [held]: true })).toBe(true);
  expect(given.seen).toEqual({ from: 260, to: 405 });
});

test("a key goes from order to order, arrows move it by exact ticks, and Enter drops it as a pointer does", async () => {
  await open();
  press("o");
  expect(said()).toBe("Buy 100 at 101.25, stop");
  expect(line("Buy 100 stop")?.lineWidth).toBe(3);
  press("o");
  expect(said()).toBe("Buy 10 at 99.50, limit");
  press("ArrowUp");
  press("ArrowDown", { shiftKey: true });
  expect(said()).toBe("99.05");
  expect(line("Buy 10")?.price).toBe(99.05);
  press("Enter", { repeat: true });
  expect(onDrop).not.toHaveBeenCalled();
  press("Enter");
  expect(onDrop.mock.calls).toEqual([["low", "99.05"]]);
  // It is asked about now; the line is where the gateway has the order.
  expect(line("Buy 10")?.price).toBe(99.5);
  press("o", { shiftKey: true });
  expect(said()).toBe("Buy 10 at 99.50, limit");
});

test("a pointer takes the line under it, moves it as far as itself, and drops it", async () => {
  await open();
  const box = screen.getByRole("img");
  box.setPointerCapture = () => undefined;
  // A price is a pixel, from 1000 at the top down.
  fireEvent.pointerDown(box, { button: 0, clientY: 902 });
  fireEvent.pointerMove(box, { clientY: 903.42 });
  expect(line("Buy 10")?.price).toBe(98.1);
  fireEvent.pointerUp(box);
  expect(onDrop.mock.calls).toEqual([["low", "98.10"]]);
  expect(line("Buy 10")?.price).toBe(99.5);
});

test("an order that was not moved is not replaced", async () => {
  await open();
  press("o");
  press("Enter");
  press("ArrowUp");
  press("ArrowDown");
  press("Enter");
  expect(onDrop).not.toHaveBeenCalled();
});

test("Escape and leaving the chart put the line back; without a line Escape is the page's", async () => {
  await open();
  expect(press("Escape")).toBe(true);
  press("o");
  press("ArrowUp");
  expect(line("Buy 100 stop")?.price).toBe(101.3);
  expect(press("Escape")).toBe(false);
  expect(line("Buy 100 stop")?.price).toBe(101.25);
  expect(said()).toBe("Buy 100 put back");
  press("o");
  press("ArrowUp");
  fireEvent.blur(chart());
  expect(line("Buy 100 stop")?.price).toBe(101.25);
  press("Enter");
  expect(onDrop).not.toHaveBeenCalled();
});

test("an order that ends while keys move it is let go", async () => {
  const { rerender } = await open();
  expect(press("ArrowUp")).toBe(true);
  press("o");
  press("ArrowUp");
  rerender(
    <QueryClientProvider client={new QueryClient()}>
      <Chart instrument={INSTRUMENT} fills={[]} marks={[]} onDrop={onDrop} />
    </QueryClientProvider>,
  );
  expect(said()).toBe("Buy 100 no longer works");
  expect(given.priceLines).toEqual([]);
  press("Enter");
  expect(onDrop).not.toHaveBeenCalled();
  press("o");
  expect(said()).toBe("No order of yours can be moved here");
});

test("a line beyond the prices that are seen comes into sight", async () => {
  given.prices = { from: 100, to: 102 };
  await open();
  press("o");
  expect(given.prices).toEqual({ from: 100, to: 102 });
  press("o");
  expect(given.prices).toEqual({ from: 99.25, to: 102 });
  press("Escape");
  expect(given.isAutoScaled).toBe(true);
});

const drawn = () => given.series[0]?.points.map((one) => one.time / 60) ?? [];
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => from + index);

/** A chart of what the gateway knows of so many minutes. */
async function openPast(minutes: number) {
  const past = new PastMinutes(range(0, minutes).map((minute) => bar(minute)));
  gateway({ "GET /history/TIDE": past.answer });
  const { rerender } = show(<Chart instrument={INSTRUMENT} fills={[]} marks={[]} onDrop={onDrop} />);
  await waitFor(() => expect(given.seen).toEqual({ from: 860, to: 1_005 }));
  const again = () =>
    rerender(
      <QueryClientProvider client={new QueryClient()}>
        <Chart instrument={INSTRUMENT} fills={[]} marks={[]} onDrop={onDrop} />
      </QueryClientProvider>,
    );
  return { past, again };
}

test("older bars come when one moves near the first, and what is seen stays", async () => {
  const { past } = await openPast(2_500);
  act(() => given.move({ from: 100, to: 245 }));
  await waitFor(() => expect(drawn()).toEqual(range(500, 2_500)));
  expect(given.seen).toEqual({ from: 1_100, to: 1_245 });
  // Home goes to the oldest that is loaded, and again to the oldest that came.
  press("Home");
  await waitFor(() => expect(drawn()).toEqual(range(0, 2_500)));
  expect(given.seen).toEqual({ from: 500, to: 645 });
  press("Home");
  expect(given.seen).toEqual({ from: 0, to: 145 });
  await waitFor(() => expect(past.asked).toEqual([{}, { to: 1_500 }, { to: 500 }, { to: 0 }]));
});

test("who chooses another length of bars meanwhile gets none of the old one", async () => {
  const { past } = await openPast(2_500);
  let answer = () => {};
  past.wait = new Promise((resolve) => {
    answer = resolve;
  });
  press("Home");
  await waitFor(() => expect(past.asked).toHaveLength(2));
  const old = given.series[0];
  past.wait = Promise.resolve();
  fireEvent.click(screen.getByRole("radio", { name: "5m" }));
  await waitFor(() => expect(drawn()).toEqual(range(1_500, 2_500)));
  expect(given.series[0]).not.toBe(old);
  await act(async () => answer());
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(old?.points).toHaveLength(1_000);
  expect(drawn()).toEqual(range(1_500, 2_500));
});

test("a link that was lost and comes back leaves the older bars, and has what came meanwhile", async () => {
  const link = vi.spyOn(socket, "state").mockReturnValue("live");
  const { past, again } = await openPast(2_000);
  press("Home");
  await waitFor(() => expect(drawn()).toEqual(range(0, 2_000)));
  link.mockReturnValue("offline");
  again();
  past.bars = range(0, 2_100).map((minute) => bar(minute));
  link.mockReturnValue("live");
  again();
  await waitFor(() => expect(drawn()).toEqual(range(0, 2_100)));
});

test("the list of keys has the chart's", async () => {
  HTMLDialogElement.prototype.showModal = function () {
    this.open = true;
  };
  show(
    <>
      <Keys />
      <Chart instrument={INSTRUMENT} fills={[]} marks={MARKS} onDrop={onDrop} />
    </>,
  );
  fireEvent.keyDown(document.body, { key: "?", shiftKey: true });
  await screen.findByText("Chart: replace the order at that price");
});
