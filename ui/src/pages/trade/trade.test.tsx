import { cleanup, fireEvent, screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { allowDialogs, asUser, gateway, ME, PREVIEW, Refusal, show } from "../testing";
import { setOpenAttempt } from "./open-attempt";

vi.mock("../../chart/chart", () => ({ default: () => null }));
// jsdom lays nothing out: the page is as wide as a desk.
vi.stubGlobal("matchMedia", (query: string) => ({
  matches: query.includes("1080"),
  addEventListener: () => undefined,
  removeEventListener: () => undefined,
}));
class Unobserved {
  observe() {}
  unobserve() {}
  disconnect() {}
}
const { default: Trade } = await import("./trade");

const instrument = (symbol: string) => ({
  symbol,
  venue: "PAPER",
  venue_kind: "paper",
  currency: "USD",
  asset_class: "equity",
  order_lot: "1",
  order_tick: "0.01",
  order_tick_from: "0",
  tick_size: "0.01",
  ticks: [],
  price_decimals: 2,
  multiplier: "1",
});
const ORDER = {
  id: "1",
  account: "a",
  seq: "1:0",
  symbol: "TIDE",
  side: "buy",
  type: "limit",
  time_in_force: "day",
  status: "new",
  qty: "10",
  filled_qty: "0",
  leaves_qty: "10",
  limit_price: "100",
  created_at: "2026-11-23T00:00:00Z",
};
const POSITION = {
  symbol: "TIDE",
  qty: "10",
  avg_price: "99",
  mark_price: "100",
  unrealised: "10",
  realised: "0",
  cost: "990",
};
const ROUTES = {
  "GET /users/me": ME,
  "GET /accounts": [{ id: "a", status: "open" }],
  "GET /instruments": [instrument("TIDE"), instrument("WAVE")],
  "GET /orders": [ORDER],
  "GET /executions": [],
  "GET /portfolio": { positions: [POSITION] },
  "GET /history/TIDE": [],
  "GET /history/WAVE": [],
  "GET /books/TIDE/queue": [],
  "GET /trades/TIDE": [],
  "GET /trades/WAVE": [],
  "POST /orders/preview": PREVIEW,
};
const CONTROL = { reason: "max_order_qty", scope: "account", value: "10", limit: "100", passes: true };
const VIEWER = { ...ME, role: "viewer", permissions: ["orders:read", "market:read"] };

beforeEach(() => {
  vi.stubGlobal("ResizeObserver", Unobserved);
  vi.spyOn(Element.prototype, "clientHeight", "get").mockReturnValue(400);
  vi.spyOn(Element.prototype, "clientWidth", "get").mockReturnValue(800);
  asUser();
  setOpenAttempt("a", null);
});
afterEach(cleanup);

const blotter = () => within(screen.getByRole("region", { name: "Blotter" }));

test("a role that does not trade is told so, without an account", async () => {
  gateway({ ...ROUTES, "GET /users/me": VIEWER, "GET /accounts": [] });
  show(<Trade symbol="TIDE" />);
  await screen.findByText("Your role watches");
  expect(blotter().queryByRole("status", { name: "Loading" })).toBeNull();
});

test("accounts that could not be loaded are told, and asked for again", async () => {
  const answers: unknown[] = [new Refusal(500, "internal", {}, "The gateway failed."), [{ id: "a", status: "open" }]];
  gateway({ ...ROUTES, "GET /accounts": () => answers.shift() });
  show(<Trade symbol="TIDE" />);
  await screen.findByText("The gateway failed.");
  expect(blotter().queryByRole("status", { name: "Loading" })).toBeNull();
  await userEvent.click(blotter().getByRole("button", { name: "Try again" }));
  await screen.findByRole("button", { name: /^Replace/ });
});

test.each([
  ["a trader", ME, true],
  ["who only watches", VIEWER, false],
])("acts of orders and positions: %s", async (_, me, acts) => {
  gateway({ ...ROUTES, "GET /users/me": me });
  show(<Trade symbol="TIDE" />);
  await waitFor(() => expect(blotter().getAllByRole("row")).toHaveLength(2));
  await waitFor(() => expect(blotter().queryAllByRole("button", { name: /^(Replace|Cancel)/ }).length > 0).toBe(acts));
  await userEvent.click(blotter().getByRole("tab", { name: /Positions/ }));
  await waitFor(() => expect(within(screen.getByRole("region", { name: "Positions" })).getByText("TIDE")).toBeTruthy());
  expect(blotter().queryAllByRole("button", { name: /^(Flatten|Exits)/ })).toHaveLength(acts ? 2 : 0);
});

test("exits are entered for what is held", async () => {
  allowDialogs();
  gateway(ROUTES);
  show(<Trade symbol="WAVE" />);
  await userEvent.click(await screen.findByRole("tab", { name: /Positions/ }));
  await userEvent.click(await screen.findByRole("button", { name: "Exits for TIDE" }));
  const dialog = within(await screen.findByRole("dialog", { name: "Exits for TIDE" }));
  await userEvent.type(dialog.getByLabelText("Take profit at"), "110");
  dialog.getByRole("button", { name: "Sell 10 TIDE at 110" });
});

async function enter(qty: string) {
  await userEvent.selectOptions(await screen.findByLabelText("Type"), "market");
  await userEvent.type(screen.getByLabelText("Quantity"), qty);
}

test("an order of which it is not known what became is kept when another symbol is chosen", async () => {
  const answers: unknown[] = [
    new Refusal(504, "outcome_unknown"),
    new Refusal(503, "unavailable"),
    { ...ORDER, type: "market", limit_price: null },
  ];
  gateway({ ...ROUTES, "POST /orders": () => answers.shift() });
  const fetched = vi.spyOn(globalThis, "fetch");
  const { unmount } = show(<Trade symbol="TIDE" />);
  await enter("10");
  await userEvent.click(screen.getByRole("button", { name: "Buy 10 TIDE market" }));
  await screen.findByText(/It is not known whether the order was taken: buy 10 TIDE/);
  unmount();

  show(<Trade symbol="WAVE" />);
  await screen.findByText(/It is not known whether the order was taken: buy 10 TIDE/);
  await userEvent.click(screen.getByRole("button", { name: "Send the same again" }));
  await screen.findByText(/\(unavailable\)/);
  await userEvent.click(screen.getByRole("button", { name: "Send the same again" }));
  await screen.findByText("Working: buy 10 TIDE.");
  const names = fetched.mock.calls
    .map(([input]) => input as Request)
    .filter((request) => new URL(request.url).pathname === "/api/v1/orders" && request.method === "POST")
    .map((request) => request.headers.get("Idempotency-Key"));
  expect(names).toHaveLength(3);
  expect(new Set(names).size).toBe(1);
});

test("the quantity that an amount makes is what is sent", async () => {
  const asked = gateway({ ...ROUTES, "POST /orders": ORDER });
  show(<Trade symbol="TIDE" />);
  await userEvent.type(await screen.findByLabelText("Limit price"), "100");
  await userEvent.type(screen.getByLabelText("Amount in USD"), "1050");
  expect((screen.getByLabelText("Quantity") as HTMLInputElement).value).toBe("10");
  await userEvent.click(screen.getByRole("button", { name: "Buy 10 TIDE limit 100" }));
  await screen.findByText("Working: buy 10 TIDE at 100.");
  expect(asked.find(({ route }) => route === "POST /orders")?.body).toMatchObject({ qty: "10", limit_price: "100" });
});

test("an order that an algorithm works is previewed, sent as a parent, and shown with its children", async () => {
  const parent = { ...ORDER, id: "p", type: "market", limit_price: null, qty: "100", leaves_qty: "100" };
  const child = { ...parent, id: "c", parent: "p", created_at: "2026-11-23T00:00:01Z", qty: "5", leaves_qty: "5" };
  const asked = gateway({
    ...ROUTES,
    "GET /orders": (_: unknown, url: URL) => (url.searchParams.get("status") === "open" ? [child, ORDER, parent] : []),
    "POST /orders/algorithms/preview": { ...PREVIEW, controls: [CONTROL] },
    "POST /orders/algorithms": parent,
  });
  show(<Trade symbol="TIDE" />);
  await userEvent.selectOptions(await screen.findByLabelText("Type"), "iceberg");
  await userEvent.type(screen.getByLabelText("Quantity"), "100");
  await screen.findByText("Give the size of each slice.");
  await userEvent.type(screen.getByLabelText("Each slice"), "5");
  await screen.findByText(/All 1 risk controls let it pass/);
  await userEvent.click(screen.getByRole("button", { name: "Buy 100 TIDE Iceberg" }));
  await screen.findByText("Working: buy 100 TIDE.");
  const order = { account: "a", symbol: "TIDE", side: "buy", type: "market", qty: "100", time_in_force: "day" };
  const sent = asked.find(({ route }) => route === "POST /orders/algorithms")?.body;
  expect(sent).toEqual({ order, algorithm: "iceberg", slice_qty: "5" });
  const rows = within(screen.getByRole("region", { name: "Working orders" }))
    .getAllByRole("row")
    .slice(1);
  expect(rows.map((row) => within(row).getByText(/^0 . /).textContent)).toEqual(["0 / 10", "0 / 100", "0 / 5"]);
  expect(rows.map((row) => row.textContent?.includes("of another order"))).toEqual([false, false, true]);
});

const wrongAt = (field: string) => new Refusal(422, "invalid_field", { field }, `${field} is wrong`);

test.each(["time_in_force", "qty"])("what is wrong with %s stands at its field only", async (field) => {
  gateway({ ...ROUTES, "POST /orders/preview": wrongAt(field) });
  show(<Trade symbol="TIDE" />);
  await enter("10");
  const told = await screen.findByText(`${field} is wrong`);
  expect(told.className).toBe("field-error");
});

test.each(["symbol", "side", "price", "limit_price"])(
  "what is wrong with %s, which has no field, is said",
  async (field) => {
    gateway({ ...ROUTES, "POST /orders/preview": wrongAt(field) });
    show(<Trade symbol="TIDE" />);
    await enter("10");
    const told = await screen.findByText(`${field} is wrong`);
    expect(told.className).toBe("banner danger");
  },
);

test("what is wrong with a term that is folded away is said, and stands at its field once that is seen", async () => {
  gateway({ ...ROUTES, "POST /orders/preview": wrongAt("post_only") });
  show(<Trade symbol="TIDE" />);
  await enter("10");
  expect((await screen.findByText("post_only is wrong")).className).toBe("banner danger");
  const more = screen.getByText("More terms").closest("details");
  if (!more) throw new Error("there are no more terms");
  more.open = true;
  fireEvent(more, new Event("toggle"));
  await waitFor(() => expect(screen.getByText("post_only is wrong").className).toBe("field-error"));
});

test("what is wrong with a leg of a bracket does not stand at a field of the entry", async () => {
  gateway({ ...ROUTES, "POST /orders/lists/preview": wrongAt("limit_price") });
  show(<Trade symbol="TIDE" />);
  await userEvent.type(await screen.findByLabelText("Quantity"), "10");
  await userEvent.type(screen.getByLabelText("Limit price"), "100");
  await userEvent.click(screen.getByLabelText("Bracket: take profit and stop loss"));
  await userEvent.type(screen.getByLabelText("Take profit at"), "100.001");
  expect((await screen.findByText("limit_price is wrong")).className).toBe("banner danger");
});

test("what an order would do is told of a complete order only", async () => {
  gateway({ ...ROUTES, "POST /orders/preview": { ...PREVIEW, controls: [CONTROL] } });
  show(<Trade symbol="TIDE" />);
  await enter("10");
  await screen.findByText(/All 1 risk controls let it pass/);
  await userEvent.selectOptions(screen.getByLabelText("Type"), "stop");
  await screen.findByText("Give a stop price.");
  expect(screen.queryByRole("region", { name: "What this order would do" })).toBeNull();
});

test("nothing is sent that a kill switch would refuse", async () => {
  const kill = { engaged: true, mode: "block", reason: "a drill", scope: { kind: "firm" } };
  gateway({
    ...ROUTES,
    "GET /users/me": { ...ME, permissions: [...ME.permissions, "risk:read"] },
    "GET /risk/stopped": { kills: [kill], tripped: [] },
  });
  show(<Trade symbol="TIDE" />);
  await enter("10");
  await screen.findByText("The firm is stopped: a drill");
  expect((screen.getByRole("button", { name: "Buy 10 TIDE market" }) as HTMLButtonElement).disabled).toBe(true);
});

test("a bracket whose exits would execute at once is not sent", async () => {
  const asked = gateway(ROUTES);
  show(<Trade symbol="TIDE" />);
  await userEvent.type(await screen.findByLabelText("Quantity"), "30");
  await userEvent.type(screen.getByLabelText("Limit price"), "135.15");
  await userEvent.click(screen.getByLabelText("Bracket: take profit and stop loss"));
  await userEvent.type(screen.getByLabelText("Take profit at"), "133.45");
  await screen.findByText("The take profit of a buy must be above the entry's price, 135.15.");
  fireEvent.keyDown(document.body, { key: "Enter", code: "Enter", ctrlKey: true });
  expect(asked.some(({ route }) => route.startsWith("POST /orders/lists"))).toBe(false);
});

test("the button that sent an order says so, and does not send it again at once", async () => {
  const asked = gateway({ ...ROUTES, "POST /orders": { ...ORDER, type: "market", limit_price: null } });
  show(<Trade symbol="TIDE" />);
  await enter("10");
  await userEvent.click(screen.getByRole("button", { name: "Buy 10 TIDE market" }));
  const button = (await screen.findByRole("button", { name: "Sent" })) as HTMLButtonElement;
  expect(button.disabled).toBe(true);
  fireEvent.keyDown(document.body, { key: "Enter", code: "Enter", ctrlKey: true });
  await screen.findByRole("button", { name: "Buy 10 TIDE market" });
  expect(asked.filter(({ route }) => route === "POST /orders")).toHaveLength(1);
});
