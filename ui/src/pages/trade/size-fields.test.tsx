import { cleanup, screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { useState } from "react";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Quote } from "../../live/market";
import type { Instrument } from "../../shell/user";
import { asUser, gateway, ME, PREVIEW, Refusal, show } from "../testing";
import { affordable, lotAt } from "./size";
import { SizeFields } from "./size-fields";
import { EMPTY, type Ticket } from "./ticket-model";

const instrument = { symbol: "TIDE", currency: "USD", order_lot: "1", multiplier: "1" };
const QUOTE = { bid_price: "99.9", ask_price: "100.1" };
const control = (reason: string, value: string, limit: string) => ({
  reason,
  scope: "account",
  value,
  limit,
  passes: true,
});
// 10,000 can be spent; one at a market price reserves 110.
const POWER = {
  ...PREVIEW,
  controls: [control("buying_power", "5110", "15000"), control("max_order_notional", "110", "1000000")],
};
const ROUTES = {
  "GET /users/me": ME,
  "GET /accounts": [{ id: "a", status: "open", balances: [{ currency: "USD" }] }],
  "POST /orders/preview": POWER,
};

beforeEach(() => asUser());
afterEach(cleanup);

function Sized({ first, reservesAll }: { first: Partial<Ticket>; reservesAll: boolean }) {
  const [ticket, set] = useState<Ticket>({ ...EMPTY, ...first });
  return (
    <>
      <SizeFields
        instrument={instrument as Instrument}
        ticket={ticket}
        quote={{ current: QUOTE as Quote }}
        reservesAll={reservesAll}
        onQty={(qty) => set((before) => ({ ...before, qty }))}
      />
      <output>{ticket.qty}</output>
      <button type="button" onClick={() => set((before) => ({ ...before, limit: "50" }))}>
        Another price
      </button>
    </>
  );
}

function open(first: Partial<Ticket>, reservesAll = true) {
  show(<Sized first={first} reservesAll={reservesAll} />);
  return () => document.querySelector("output")?.textContent;
}

const amount = () => screen.getByLabelText("Amount in USD") as HTMLInputElement;

test.each([
  ["1000", "100.1", "1", "9"],
  ["1001", "100.1", "1", "10"],
  ["1000.9999999", "100.1", "1", "9"],
  ["1000", "3", "0.001", "333.333"],
  ["2000", "3", "0.001", "666.666"],
  ["99999999999999999.99", "0.01", "1", "9999999999999999999"],
  ["1000", "3", "100", "300"],
  ["299.99", "3", "100", null],
  ["0", "3", "1", null],
  ["-5", "3", "1", null],
  ["1000", "0", "1", null],
])("%s at %s in lots of %s pays for %s", (money, price, lot, qty) => {
  expect(affordable(money, lotAt({ multiplier: "1", order_lot: lot }, price), lot)).toBe(qty);
});

test("a contract of many units costs as many times its price", () => {
  expect(affordable("10000", lotAt({ multiplier: "50", order_lot: "1" }, "20"), "1")).toBe("10");
});

test.each<[string, Partial<Ticket>, string, string]>([
  ["at its limit price", { limit: "64" }, "15", "15 TIDE at 64: 960.00 USD"],
  ["at the best offer", { type: "market" }, "9", "9 TIDE at 100.10: 900.90 USD"],
  ["at the best bid", { type: "market", side: "sell" }, "10", "10 TIDE at 99.90: 999.00 USD"],
])("an amount becomes a quantity %s", async (_, first, qty, text) => {
  gateway(ROUTES);
  const now = open(first);
  await userEvent.type(amount(), "1000");
  expect(now()).toBe(qty);
  screen.getByText(text);
});

test("what pays for nothing leaves no quantity of before", async () => {
  gateway(ROUTES);
  const now = open({ limit: "64", qty: "7" });
  await userEvent.type(amount(), "63");
  screen.getByText("Less than one lot of 1 at 64.");
  expect(now()).toBe("");
  await userEvent.type(amount(), ",5");
  screen.getByText("Digits and a point only.");
  expect(now()).toBe("");
});

test("an amount is not told of an order of other terms", async () => {
  gateway(ROUTES);
  const now = open({ limit: "64" });
  await userEvent.type(amount(), "1000");
  await userEvent.click(screen.getByText("Another price"));
  expect(now()).toBe("15");
  expect(amount().value).toBe("");
  expect(screen.queryByText(/at 64/)).toBeNull();
});

test.each<[string, Partial<Ticket>, boolean, string]>([
  // Of a limit order less would be reserved; what is reserved of one is all that counts.
  ["what an order reserves of it", { type: "market" }, true, "45"],
  ["its price, where that is more", { limit: "200" }, true, "25"],
  // What is left after the smallest order: 9,890.
  ["its price, where less may be reserved", { type: "market" }, false, "49"],
])("a share of buying power is counted by %s", async (_, first, reservesAll, qty) => {
  const asked = gateway(ROUTES);
  const now = open({ qty: "3", isBracket: true, takeProfit: "500", ...first }, reservesAll);
  await userEvent.click(await screen.findByRole("button", { name: "50 % of buying power" }));
  await waitFor(() => expect(now()).toBe(qty));
  const probe = asked.find(({ route }) => route === "POST /orders/preview")?.body;
  expect(probe).toMatchObject({ account: "a", symbol: "TIDE", qty: "1" });
});

test.each<[string, Partial<Ticket>, unknown, string]>([
  ["there is no price", { limit: "" }, POWER, "Give a limit price first."],
  ["none is asked", { limit: "64" }, PREVIEW, "No buying power is asked of this order."],
  ["the gateway does not say", { limit: "64" }, new Refusal(503, "unavailable", {}, "It is away."), "It is away."],
])("a share of buying power changes nothing where %s", async (_, first, answer, why) => {
  gateway({ ...ROUTES, "POST /orders/preview": answer });
  const now = open({ qty: "3", ...first });
  await userEvent.click(await screen.findByRole("button", { name: "50 % of buying power" }));
  await screen.findByText(why);
  expect(now()).toBe("3");
});

test("a share that comes once the order is another is not taken", async () => {
  let answer: (preview: unknown) => void = () => undefined;
  const late = new Promise((resolve) => {
    answer = resolve;
  });
  const asked = gateway(ROUTES);
  const fetched = globalThis.fetch;
  globalThis.fetch = async (input, init) => {
    const response = await fetched(input, init);
    if ((input as Request).url.endsWith("/preview")) await late;
    return response;
  };
  const now = open({ qty: "3", limit: "100" });
  const button = await screen.findByRole("button", { name: "100 % of buying power" });
  await userEvent.click(button);
  await userEvent.click(screen.getByText("Another price"));
  answer(null);
  await waitFor(() => expect(button.getAttribute("aria-busy")).toBeNull());
  expect(asked.some(({ route }) => route === "POST /orders/preview")).toBe(true);
  expect(now()).toBe("3");
});

test("no share is offered of another currency", async () => {
  gateway({ ...ROUTES, "GET /accounts": [{ id: "a", status: "open", balances: [{ currency: "EUR" }] }] });
  const asked = open({ limit: "64" });
  await userEvent.type(amount(), "1000");
  expect(asked()).toBe("15");
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(screen.queryByRole("button", { name: /buying power/ })).toBeNull();
});
