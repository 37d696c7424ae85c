import { cleanup, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { useState } from "react";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { setZone } from "../../format/time";
import type { Order } from "../../live/account";
import type { Quote } from "../../live/market";
import type { Instrument } from "../../shell/user";
import { asUser, gateway, ME, show } from "../testing";
import { type Algorithm, lacking, type Work } from "./algorithm";
import { inFamilies } from "./families";
import { described } from "./sending";
import { TicketForm } from "./ticket";
import { act, bodyOf, EMPTY, missing, type Ticket, workedBy } from "./ticket-model";

beforeAll(() => setZone("Europe/Berlin"));
afterAll(() => setZone(undefined));
afterEach(cleanup);

// Everything that can be typed is typed: only what an algorithm has may be sent.
const full: Ticket = {
  ...EMPTY,
  qty: "1000",
  tif: "fok",
  postOnly: "slide",
  hidden: true,
  display: "5",
  min: "2",
  isBracket: true,
  takeProfit: "1",
  startAt: "2026-11-23T10:00",
  endAt: "2026-11-23T16:00",
  every: "0.5",
  slice: "50",
  rate: "12.5",
  curve: "3",
};
const worked = (algorithm: Algorithm, more: Partial<Ticket> = {}): Ticket => {
  const ticket = { ...full, ...more };
  return { ...ticket, ...workedBy(ticket, algorithm) };
};
const ORDER = { account: "a", symbol: "TIDE", side: "buy", type: "market", qty: "1000", time_in_force: "day" };
const TIMES = { start_at: "2026-11-23T09:00:00.000Z", end_at: "2026-11-23T15:00:00.000Z" };

test.each<[Algorithm, object]>([
  ["twap", { interval_ms: 500 }],
  ["vwap", { interval_ms: 500, curve: 3 }],
  ["pov", { rate_bp: 1250, slice_qty: "50" }],
  ["iceberg", { slice_qty: "50" }],
])("%s has its own terms and no other", (algorithm, terms) => {
  expect(bodyOf(worked(algorithm), "a", "TIDE")).toEqual({ order: ORDER, algorithm, ...TIMES, ...terms });
});

test("with a price its children are limit orders, and it may live until canceled", () => {
  const ticket = worked("iceberg", { limit: "100.05", tif: "gtc", startAt: "", endAt: "" });
  const body = bodyOf(ticket, "a", "TIDE");
  const order = { ...ORDER, type: "limit", limit_price: "100.05", time_in_force: "gtc" };
  expect(body).toEqual({ order, algorithm: "iceberg", slice_qty: "50" });
  expect(act(ticket, "TIDE")).toBe("Buy 1000 TIDE Iceberg limit 100.05");
  expect(described(body)).toBe("buy 1,000 TIDE at 100.05 by Iceberg");
});

test.each<[Algorithm, Partial<Work>, string | null]>([
  ["twap", {}, null],
  ["twap", { endAt: "" }, "when it ends"],
  ["twap", { every: "0.09" }, "the seconds between two orders, at least 0.1"],
  ["twap", { every: "0.1005" }, "the seconds between two orders, at least 0.1"],
  ["twap", { every: "" }, "the seconds between two orders, at least 0.1"],
  ["vwap", { curve: "1.5" }, "the number of a volume curve"],
  ["vwap", { curve: "-1" }, "the number of a volume curve"],
  ["pov", { endAt: "", slice: "" }, null],
  ["pov", { rate: "0" }, "a share of the volume, 0.01 to 100 %"],
  ["pov", { rate: "0.01" }, null],
  ["pov", { rate: "0.015" }, "a share of the volume, 0.01 to 100 %"],
  ["pov", { rate: "100.01" }, "a share of the volume, 0.01 to 100 %"],
  ["pov", { slice: "many" }, "a least slice, or none"],
  ["iceberg", { endAt: "" }, null],
  ["iceberg", { slice: "" }, "the size of each slice"],
  ["iceberg", { slice: "0" }, "the size of each slice"],
])("%s with %j lacks %s", (algorithm, part, lacks) => {
  const ticket = { ...worked(algorithm), ...part };
  expect(lacking(ticket)).toBe(lacks);
  expect(missing(ticket)).toBe(lacks);
});

test("a price that is none is asked for, though none is needed", () => {
  expect(missing(worked("twap", { limit: "x" }))).toBe("a limit price");
  expect(missing({ ...worked("twap"), qty: "" })).toBe("a quantity");
});

const instrument = { symbol: "TIDE", currency: "USD", order_lot: "1", venue_kind: "paper", order_tick_from: "0" };
let now: Ticket = EMPTY;
function Held() {
  const [ticket, set] = useState(EMPTY);
  now = ticket;
  return (
    <TicketForm
      instrument={instrument as Instrument}
      ticket={ticket}
      change={(part) => set((before) => ({ ...before, ...part }))}
      barred={null}
      preview={{} as never}
      isOfBefore={false}
      reservesAll={false}
      hindrance={null}
      isIncomplete
      isJustSent={false}
      sender={{ now: { state: "idle" } } as never}
      onSend={() => undefined}
      quote={{ current: undefined as Quote | undefined }}
      isOneClick={false}
      setOneClick={() => undefined}
      neverOneClick={false}
      qtyRef={null}
    />
  );
}

test("another type takes the algorithm back", async () => {
  asUser();
  gateway({ "GET /users/me": ME, "GET /accounts": [] });
  show(<Held />);
  const type = screen.getByLabelText("Type");
  const bracket = () => screen.queryByLabelText(/^Bracket/);
  await userEvent.selectOptions(screen.getByLabelText("Time in force"), "ioc");
  await userEvent.selectOptions(type, "pov");
  await userEvent.type(screen.getByLabelText("Share of volume, %"), "10");
  await userEvent.type(screen.getByLabelText("Least slice"), "5");
  expect(now).toMatchObject({ algorithm: "pov", rate: "10", slice: "5", tif: "day" });
  expect(bracket()).toBeNull();
  await userEvent.selectOptions(type, "twap");
  expect(screen.queryByLabelText("Share of volume, %")).toBeNull();
  screen.getByLabelText("Every, seconds");
  await userEvent.selectOptions(type, "market");
  expect(now).toMatchObject({ algorithm: "", type: "market" });
  expect(screen.queryByLabelText("Every, seconds")).toBeNull();
  expect(bracket()).not.toBeNull();
});

test("what belongs to an order stands behind it", () => {
  const order = (id: string, parent?: string) => ({ id, parent }) as Order;
  // The newest come first; what belongs to an order that is not known stands by itself.
  const rows = [order("c2", "p"), order("x"), order("c1", "p"), order("p"), order("lost", "gone")];
  expect(inFamilies(rows).map(({ id }) => id)).toEqual(["x", "p", "c2", "c1", "lost"]);
});
