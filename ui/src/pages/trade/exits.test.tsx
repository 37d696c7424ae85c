import { cleanup, screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Notices } from "../../components/notices";
import type { Order, Position } from "../../live/account";
import type { Instrument } from "../../shell/user";
import { allowDialogs, asUser, gateway, ME, PREVIEW, Refusal, show } from "../testing";
import { ExitsDialog } from "./exits";
import { setOpenAttempt } from "./open-attempt";

const instrument = { symbol: "TIDE", order_lot: "1", tick_size: "0.01", order_tick: "0.01", order_tick_from: "0" };
const LEG = { account: "a", symbol: "TIDE", side: "sell", qty: "10", time_in_force: "gtc" };
const LIST = {
  hash: "h",
  contingency: "oco",
  needs_authorization: false,
  legs: [
    { summary: "s", controls: [] },
    { summary: "t", controls: [] },
  ],
};
const ORDER = { ...LEG, id: "1", seq: "1:0", status: "new", limit_price: "110", filled_qty: "0", leaves_qty: "10" };
const TAKEN = { id: "l", contingency: "oco", legs: ["1", "2"], orders: [ORDER, { ...ORDER, id: "2" }] };
const ROUTES = {
  "GET /users/me": ME,
  "GET /accounts": [{ id: "a", status: "open" }],
  "GET /orders": [],
  "POST /orders/preview": PREVIEW,
  "POST /orders/lists/preview": LIST,
  "POST /orders/lists": TAKEN,
};

beforeEach(() => {
  allowDialogs();
  asUser();
  setOpenAttempt("a", null);
});
afterEach(cleanup);

function open(qty: string, working: Partial<Order>[] = []) {
  const onClose = vi.fn();
  show(
    <>
      <ExitsDialog
        account="a"
        instrument={instrument as Instrument}
        position={{ symbol: "TIDE", qty, mark_price: "100" } as Position}
        working={working as Order[]}
        onClose={onClose}
      />
      <Notices />
    </>,
  );
  return onClose;
}

async function enter(takeProfit: string, stopLoss: string) {
  if (takeProfit) await userEvent.type(screen.getByLabelText("Take profit at"), takeProfit);
  if (stopLoss) await userEvent.type(screen.getByLabelText("Stop loss at"), stopLoss);
}

test("both exits are one list, of which one cancels the other", async () => {
  const asked = gateway(ROUTES);
  const onClose = open("10");
  await enter("110", "90.5");
  await userEvent.click(screen.getByRole("button", { name: "Sell 10 TIDE at 110 or stop 90.50" }));
  await waitFor(() => expect(onClose).toHaveBeenCalled());
  await screen.findByText("Working: sell 10 TIDE at 110.");
  expect(asked.filter(({ route }) => route === "POST /orders/lists").map(({ body }) => body)).toEqual([
    {
      contingency: "oco",
      legs: [
        { ...LEG, type: "limit", limit_price: "110" },
        { ...LEG, type: "stop", stop_price: "90.5" },
      ],
    },
  ]);
});

test("one exit alone, of a short position, is an order that buys", async () => {
  const asked = gateway({ ...ROUTES, "POST /orders": { ...ORDER, side: "buy", limit_price: null, stop_price: "105" } });
  const onClose = open("-10");
  await enter("", "105");
  await userEvent.click(screen.getByRole("button", { name: "Buy 10 TIDE stop 105" }));
  await waitFor(() => expect(onClose).toHaveBeenCalled());
  const sent = asked.filter(({ route }) => route === "POST /orders").map(({ body }) => body);
  expect(sent).toEqual([{ ...LEG, side: "buy", type: "stop", stop_price: "105" }]);
});

test("what the exits would do is told before they are sent", async () => {
  const refused = { summary: "t", controls: [], reject: { reason: "x", limit: "", value: "", message: "it is late" } };
  gateway({ ...ROUTES, "POST /orders/lists/preview": { ...LIST, legs: [LIST.legs[0], refused] } });
  open("10");
  await enter("110", "90");
  await screen.findByText(/Leg 2: it is late/);
});

test.each([
  ["10", "99", "", "The take profit of a long position must be above its mark, 100."],
  ["10", "", "100", "The stop loss of a long position must be below its mark, 100."],
  ["-10", "101", "", "The take profit of a short position must be below its mark, 100."],
  ["-10", "", "99", "The stop loss of a short position must be above its mark, 100."],
  ["10", "", "", "Give a take profit or a stop loss."],
  ["0", "110", "90", "TIDE is not held any more."],
])("exits of %s that cannot stand are not sent: %s, %s", async (qty, takeProfit, stopLoss, why) => {
  gateway(ROUTES);
  open(qty);
  await enter(takeProfit, stopLoss);
  await screen.findByText(why);
  expect((screen.getByRole("button", { name: /^(Buy|Sell)/ }) as HTMLButtonElement).disabled).toBe(true);
});

test.each([
  ["sell", true],
  ["buy", false],
] as const)("orders that %s already: warned is %s", async (side, isWarned) => {
  gateway(ROUTES);
  open("10", [
    { symbol: "TIDE", side },
    { symbol: "WAVE", side: "sell" },
  ]);
  await screen.findByText("Give a take profit or a stop loss.");
  expect(screen.queryByText(/already work/) !== null).toBe(isWarned);
});

test("exits of unclear outcome are sent again under the same name", async () => {
  const answers: unknown[] = [new Refusal(504, "outcome_unknown"), TAKEN];
  gateway({ ...ROUTES, "POST /orders/lists": () => answers.shift() });
  const fetched = vi.spyOn(globalThis, "fetch");
  const onClose = open("10");
  await enter("110", "90");
  await userEvent.click(screen.getByRole("button", { name: /^Sell/ }));
  await screen.findByText(/It is not known whether the order was taken: sell 10 TIDE at 110 or stop 90/);
  await userEvent.click(screen.getByRole("button", { name: "Send the same again" }));
  await waitFor(() => expect(onClose).toHaveBeenCalled());
  const names = fetched.mock.calls
    .map(([input]) => input as Request)
    .filter(({ url }) => url.endsWith("/orders/lists"))
    .map(({ headers }) => headers.get("Idempotency-Key"));
  expect(names).toHaveLength(2);
  expect(names[1]).toBe(names[0]);
});

test("exits that need an authorization ask for it", async () => {
  const asked = gateway({
    ...ROUTES,
    "POST /orders/lists/preview": { ...LIST, needs_authorization: true },
    "POST /orders/authorize": { token: "tga_1" },
  });
  const onClose = open("10");
  await enter("110", "90");
  await userEvent.click(screen.getByRole("button", { name: /^Sell/ }));
  await userEvent.type(await screen.findByLabelText("PIN", { selector: "[type=password]" }), "1234");
  await userEvent.click(screen.getByRole("button", { name: "Authorize and send" }));
  await waitFor(() => expect(onClose).toHaveBeenCalled());
  const authorized = asked.find(({ route }) => route === "POST /orders/authorize")?.body;
  expect(authorized).toEqual({ account: "a", hash: "h", pin: "1234" });
});
