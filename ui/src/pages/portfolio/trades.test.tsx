import { cleanup, screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { save } from "../../components/save";
import type { Instrument } from "../../shell/user";
import { asUser, gateway, ME, Paged, show } from "../testing";
import { Trades } from "./trades";

vi.mock("../../components/save", () => ({ save: vi.fn() }));

const TIDE = {
  symbol: "TIDE",
  multiplier: "1",
  tick_size: "0.01",
  order_tick: "0.01",
  order_tick_from: "0",
  price_decimals: 2,
} as Instrument;

const row = (seq: number, side: string, qty: string, price: string, liquidity = "taker") => ({
  id: `e${seq}`,
  seq: `${seq}:0`,
  order: `o${seq}`,
  type: "trade",
  symbol: "TIDE",
  side,
  qty,
  price,
  fee: "1.25",
  currency: "USD",
  liquidity,
  why: {},
  at: `2026-11-23T10:0${seq}:00Z`,
});
const OLD = [row(2, "sell", "10", "101"), row(1, "buy", "10", "100", "auction")];
const NEW = [row(5, "sell", "10", "98"), row(4, "buy", "10", "99"), row(3, "sell", "3", "99.5")];
const HELD = [{ symbol: "TIDE", qty: "-3", bought: "20", sold: "23" }];

const routes = (rows: unknown) => ({
  "GET /users/me": ME,
  "GET /instruments": [TIDE],
  "GET /positions": new Paged(HELD, null, "5:1"),
  "GET /executions": rows,
});
/** One page, or two. */
const whole = new Paged([...NEW, ...OLD], null, "5:1");
const paged = (_: unknown, url: URL) =>
  url.searchParams.has("cursor") ? new Paged(OLD, null, "5:1") : new Paged(NEW, "older", "5:1");

beforeEach(() => {
  asUser();
  vi.stubGlobal("matchMedia", () => ({ matches: false }));
  // jsdom lays nothing out: without a height no row would be drawn.
  vi.spyOn(Element.prototype, "clientHeight", "get").mockReturnValue(400);
});
afterEach(() => {
  cleanup();
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

/** Cells of the rows of trips, by their heads. */
async function told(): Promise<Record<string, string>[]> {
  const grid = await screen.findByRole("region", { name: "Round trips" });
  const heads = within(grid)
    .getAllByRole("columnheader")
    .map((head) => head.textContent ?? "");
  return within(grid)
    .getAllByRole("row")
    .slice(1)
    .map((line) =>
      Object.fromEntries([...line.querySelectorAll("td")].map((cell, at) => [heads[at], cell.textContent ?? ""])),
    );
}

async function open(rows: unknown) {
  const asked = gateway(routes(rows));
  show(<Trades account="a" instruments={[TIDE]} />);
  await userEvent.click(await screen.findByRole("tab", { name: "Round trips" }));
  return asked;
}

test("round trips have their profit, their time and the reasons for both ends", async () => {
  await open(whole);
  const trips = await told();
  // Short 3 from 3:0 to 4:0, long 7 from there to 5:0, short 3 since.
  expect(trips.map((trip) => [trip.Side, trip.Left === "open", trip["Net profit"]])).toEqual([
    ["Short", true, "–"],
    ["Long", false, "▾ −8.75"],
    ["Short", false, "▾ −0.13"],
    ["Long", false, "▴ +7.50"],
  ]);
  expect(trips.at(-1)).toMatchObject({
    Symbol: "TIDE",
    Duration: "1 min",
    "Largest quantity": "10",
    "Average entry": "100.00",
    "Average exit": "101.00",
    "Gross profit": "▴ +10.00",
    Fees: "2.50",
    "% of entry": "▴ +0.75",
    "Why entered": "It traded in an auction.",
    "Why left": "It took what was displayed.",
  });
  const sums = screen.getByLabelText("Closed round trips in USD").textContent;
  expect(sums).toContain("Winners33.3\u00a0%");
  expect(sums).toContain("Profit factor0.85");
  expect(sums).toContain("Net profit▾ −1.38");
});

test("where the entry is not loaded no figure stands, until more is loaded", async () => {
  // The position of before: what is older left 0 or not is told by what is held.
  const rows = (_: unknown, url: URL) =>
    url.searchParams.has("cursor")
      ? new Paged([NEW[2], ...OLD], null, "5:1")
      : new Paged(NEW.slice(0, 2), "older", "5:1");
  await open(rows);
  const cut = (await told()).at(-1);
  expect(cut).toMatchObject({ Side: "Short", Entered: "entry not loaded", "Gross profit": "–", "Net profit": "–" });
  expect(screen.getByText(/Load more to see it/)).toBeTruthy();
  await userEvent.click(screen.getByRole("button", { name: "More" }));
  await screen.findByRole("button", { name: "Export 4 as CSV" });
  expect((await told()).some((trip) => trip.Entered === "entry not loaded")).toBe(false);
  expect(screen.queryByRole("button", { name: "More" })).toBeNull();
});

test("what is older than the gateway keeps is not offered", async () => {
  await open(new Paged(NEW.slice(0, 2), null, "5:1"));
  expect((await told()).at(-1)).toMatchObject({ Entered: "entry not kept" });
  expect(screen.queryByRole("button", { name: "More" })).toBeNull();
});

test("a position that may have been told between execution and position is asked for again", async () => {
  let turn = 0;
  const asked = gateway({
    ...routes(whole),
    "GET /positions": () => {
      turn += 1;
      // Told after the last execution, and before the position that came of it.
      return turn === 1
        ? new Paged([{ symbol: "TIDE", qty: "7", bought: "20", sold: "13" }], null, "5:0")
        : new Paged(HELD, null, "5:1");
    },
    "GET /executions": new Paged([...NEW, ...OLD], null, "5:1"),
  });
  show(<Trades account="a" instruments={[TIDE]} />);
  await userEvent.click(await screen.findByRole("tab", { name: "Round trips" }));
  expect(await told()).toHaveLength(4);
  expect(asked.filter((one) => one.route === "GET /positions").length).toBeGreaterThan(1);
});

test("they are told by side and as a file", async () => {
  await open(paged);
  await told();
  await userEvent.selectOptions(screen.getByLabelText("Side"), "Long");
  await userEvent.click(await screen.findByRole("button", { name: "Export 1 as CSV" }));
  const [name, text] = vi.mocked(save).mock.lastCall ?? [];
  expect(name).toMatch(/^round-trips-/);
  const [head, line] = (text ?? "").split("\r\n");
  expect(head).toContain("symbol,side,state,entered_at,left_at,duration_s");
  expect(line).toContain("TIDE,long,closed,2026-11-23T10:04:00Z,2026-11-23T10:05:00Z,60,7,99.00000000,98.00000000,-7");
});
