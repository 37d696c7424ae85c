import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { act, cleanup, render, screen } from "@testing-library/react";
import { afterEach, expect, test, vi } from "vitest";
import { setZone } from "../../format/time";
import type { Instrument } from "../../shell/user";
import { gateway, show } from "../testing";
import { joined, Tape } from "./tape";

const market = vi.hoisted(() => ({ link: "live" }));
vi.mock("../../live/market", () => ({ useTrades: () => [], useLink: () => market.link }));

afterEach(() => {
  cleanup();
  setZone(undefined);
  vi.unstubAllGlobals();
});

test("lines that are kept between draws follow the user's zone", async () => {
  setZone("UTC");
  gateway({
    "GET /trades/TIDE": [{ number: 1, time: "2026-11-23T12:00:00Z", price: "1", qty: "1", aggressor: "buy" }],
  });
  const terms = { tick_size: "0.01", order_tick: "0.01", order_tick_from: "1", tick_table: null };
  show(<Tape instrument={{ symbol: "TIDE", ...terms } as Instrument} />);
  await screen.findByText("12:00:00");
  act(() => setZone("Asia/Tokyo"));
  screen.getByText("21:00:00");
});

test("trades from before the gateway began anew are not put above those that come", () => {
  const trade = (number: number, time: string) => ({ number, time, seq: 0, price: "1", qty: "1", aggressor: "buy" });
  const asked = [trade(500, "2026-11-23T12:00:01Z"), trade(499, "2026-11-23T12:00:00Z")];
  const live = [trade(2, "2026-11-23T12:05:00Z")];
  expect(joined(live, asked).map(({ number }) => number)).toEqual([2]);
  // What was asked for may be newer than what has come.
  expect(joined(live, [trade(3, "2026-11-23T12:05:01Z")]).map(({ number }) => number)).toEqual([3, 2]);
});

test("what was traded while the link was away is asked for", async () => {
  const trade = (number: number) => ({
    number,
    time: `2026-11-23T12:00:0${number}Z`,
    price: "1",
    qty: "1",
    aggressor: "buy",
  });
  let asked = 0;
  gateway({
    "GET /trades/TIDE": () => {
      asked += 1;
      return [trade(asked)];
    },
  });
  setZone("UTC");
  const terms = { tick_size: "0.01", order_tick: "0.01", order_tick_from: "1", tick_table: null };
  const instrument = () => ({ symbol: "TIDE", ...terms }) as Instrument;
  const client = new QueryClient();
  const page = () => (
    <QueryClientProvider client={client}>
      <Tape instrument={instrument()} />
    </QueryClientProvider>
  );
  const { rerender } = render(page());
  await screen.findByText("12:00:01");
  market.link = "offline";
  rerender(page());
  market.link = "live";
  rerender(page());
  await screen.findByText("12:00:02");
});
