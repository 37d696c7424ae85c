import { cleanup, fireEvent, screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Schemas } from "../../api/client";
import { type Instrument, useInstruments } from "../../shell/user";
import { allowDialogs, asUser, gateway, Paged, Refusal, show } from "../testing";
import { Day } from "./cells";
import { useSnapshot } from "./market";
import { Line, linePath, Spark } from "./spark";
import { useWatchlists, WatchBar, WatchStar } from "./watch";

const INSTRUMENTS = ["TIDE", "WAVE"].map((symbol) => ({ symbol }) as Instrument);
const LIST = { id: "w1", name: "Mine", symbols: ["TIDE"], created_at: 0 };

function Bar() {
  const watch = useWatchlists();
  return (
    <>
      <WatchBar watch={watch} instruments={INSTRUMENTS} />
      {INSTRUMENTS.map((one) => (
        <WatchStar key={one.symbol} symbol={one.symbol} />
      ))}
    </>
  );
}

beforeEach(() => {
  allowDialogs();
  asUser();
});
afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

const star = (symbol: string) => screen.findByRole("button", { name: new RegExp(`^${symbol} in`) });

test("the first star makes a list", async () => {
  const asked = gateway({
    "GET /watchlists": [],
    "POST /watchlists": (body: unknown) => ({ ...LIST, ...(body as object) }),
  });
  show(<Bar />);
  await waitFor(async () => expect(((await star("WAVE")) as HTMLButtonElement).disabled).toBe(false));
  await userEvent.click(await star("WAVE"));
  await waitFor(async () => expect((await star("WAVE")).getAttribute("aria-pressed")).toBe("true"));
  expect(asked.at(-1)).toEqual({ route: "POST /watchlists", body: { name: "Watched", symbols: ["WAVE"] } });
});

test("a list is changed whole, and shows what the gateway answered", async () => {
  const asked = gateway({
    "GET /watchlists": [LIST],
    "PUT /watchlists/w1": (body: unknown) => ({ ...LIST, ...(body as object) }),
  });
  show(<Bar />);
  await userEvent.click(await screen.findByRole("button", { name: "Mine 1" }));
  const add = screen.getByLabelText("Symbol to add");
  await userEvent.type(add, "tide");
  screen.getByText("It is in the list.");
  await userEvent.clear(add);
  await userEvent.type(add, "wave");
  await userEvent.click(screen.getByRole("button", { name: "Add" }));
  await screen.findByRole("button", { name: "Mine 2" });
  expect(asked.at(-1)?.body).toEqual({ name: "Mine", symbols: ["TIDE", "WAVE"] });
  await userEvent.click(await star("TIDE"));
  await screen.findByRole("button", { name: "Mine 1" });
  expect(asked.at(-1)?.body).toEqual({ name: "Mine", symbols: ["WAVE"] });
});

test("a refused change leaves the list as it is", async () => {
  gateway({ "GET /watchlists": [LIST], "PUT /watchlists/w1": new Refusal(503, "unavailable") });
  show(<Bar />);
  await screen.findByRole("button", { name: "Mine 1" });
  await userEvent.click(await star("WAVE"));
  await waitFor(async () => expect(((await star("WAVE")) as HTMLButtonElement).disabled).toBe(false));
  expect((await star("WAVE")).getAttribute("aria-pressed")).toBe("false");
});

test("two stars at once are both kept, the second made of what the first left", async () => {
  const asked = gateway({
    "GET /watchlists": [{ ...LIST, symbols: [] }],
    "PUT /watchlists/w1": (body: unknown) => ({ ...LIST, ...(body as object) }),
  });
  show(<Bar />);
  await screen.findByRole("button", { name: "Mine 0" });
  // Both before the first is answered.
  fireEvent.click(await star("TIDE"));
  fireEvent.click(await star("WAVE"));
  await screen.findByRole("button", { name: "Mine 2" });
  expect(asked.filter((one) => one.route === "PUT /watchlists/w1").map((one) => one.body)).toEqual([
    { name: "Mine", symbols: ["TIDE"] },
    { name: "Mine", symbols: ["TIDE", "WAVE"] },
  ]);
});

test("two first stars at once make one list", async () => {
  const asked = gateway({
    "GET /watchlists": [],
    "POST /watchlists": (body: unknown) => ({ ...LIST, ...(body as object) }),
    "PUT /watchlists/w1": (body: unknown) => ({ ...LIST, ...(body as object) }),
  });
  show(<Bar />);
  await waitFor(async () => expect(((await star("WAVE")) as HTMLButtonElement).disabled).toBe(false));
  fireEvent.click(await star("TIDE"));
  fireEvent.click(await star("WAVE"));
  await screen.findByRole("button", { name: "Watched 2" });
  expect(asked.filter((one) => one.route === "POST /watchlists")).toHaveLength(1);
});

test("lists that cannot be loaded are said to be so, and asked for again", async () => {
  let lists: unknown = new Refusal(503, "unavailable", {}, "The database is away.");
  gateway({ "GET /watchlists": () => lists });
  show(<Bar />);
  expect((await screen.findByRole("alert")).textContent).toContain("The database is away.");
  expect(screen.queryByRole("button", { name: "+ New list" })).toBeNull();
  lists = [LIST];
  await userEvent.click(screen.getByRole("button", { name: "Try again" }));
  await screen.findByRole("button", { name: "Mine 1" });
  expect(screen.queryByRole("alert")).toBeNull();
});

function Count() {
  const instruments = useInstruments().data;
  const quotes = useSnapshot(instruments).data;
  return (
    <p>
      {instruments?.length} of {quotes?.size}, {quotes?.get("S1000")?.symbol}
    </p>
  );
}

test("instruments are asked for to the last page, and quotes by no more at once than the gateway takes", async () => {
  const symbols = Array.from({ length: 1_001 }, (_, at) => `S${at}`);
  const reports = symbols.map((symbol) => ({ symbol }));
  const asked: number[] = [];
  gateway({
    "GET /instruments": (_: unknown, url: URL) =>
      url.searchParams.get("cursor") === "next"
        ? new Paged(reports.slice(1_000), null)
        : new Paged(reports.slice(0, 1_000), "next"),
    "GET /quotes": (_: unknown, url: URL) => {
      const named = (url.searchParams.get("symbols") ?? "").split(",");
      asked.push(named.length);
      return named.map((symbol) => ({ symbol }));
    },
  });
  show(<Count />);
  await screen.findByText("1001 of 1001, S1000");
  expect(asked).toEqual([200, 200, 200, 200, 200, 1]);
});

test("a change is exact, and none is told of a price of nothing", () => {
  const line = (open: string, close: string) =>
    show(<Line symbol="T" bars={[{ open, close } as Schemas["BarReport"]]} />);
  line("0.3", "0.1");
  screen.getByRole("img", { name: "T in the last hour: −66.67 %" });
  line("1.005", "1.015050");
  screen.getByRole("img", { name: "T in the last hour: +1.00 %" });
  line("0", "1");
  screen.getByRole("img", { name: "T in the last hour: –" });
});

test("the day's change is from the close before, else from the first trade that is known", async () => {
  const bars: Record<string, unknown[]> = {
    TIDE: [
      { open: "1", close: "200" },
      { open: "3", close: "4" },
    ],
    WAVE: [{ open: "100", close: "4" }],
    CALM: [],
  };
  gateway(Object.fromEntries(Object.entries(bars).map(([symbol, told]) => [`GET /history/${symbol}`, told])));
  const quote = { seq: 1, status: "trading", time: "2026-11-23T14:03:07Z", last_price: "150" };
  show(
    Object.keys(bars).map((symbol) => (
      <p key={symbol}>
        {symbol} <Day instrument={{ symbol } as Instrument} quote={{ ...quote, symbol }} />
      </p>
    )),
  );
  const read = () => screen.getAllByText(/TIDE|WAVE|CALM/).map((one) => one.textContent);
  await waitFor(() => expect(read()).toEqual(["TIDE −25.00 %", "WAVE +50.00 %", "CALM –"]));
  expect(screen.getByTitle("Since the day before closed").textContent).toBe("−25.00 %");
});

test("the last hour is asked for by the clock", async () => {
  const from: string[] = [];
  gateway({
    "GET /history/T": (_: unknown, url: URL) => {
      from.push(url.searchParams.get("from") ?? "");
      return [];
    },
  });
  show(<Spark symbol="T" />);
  await waitFor(() => expect(from).toHaveLength(1));
  expect(Math.abs(Date.now() - 3_600_000 - new Date(from[0] ?? "").getTime())).toBeLessThan(60_000);
});

test("a line goes from edge to edge, and a flat one does not divide by nothing", () => {
  expect(linePath([1, 3, 2], 100, 20)).toBe("M0.0 19.0L50.0 1.0L100.0 10.0");
  expect(linePath([5, 5], 10, 20)).toBe("M0.0 19.0L10.0 19.0");
  expect(linePath([5], 10, 20)).toBe("");
});
