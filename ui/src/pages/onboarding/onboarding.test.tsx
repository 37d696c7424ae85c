import { cleanup, screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { asUser, FILLED, gateway, ME, PREVIEW, Refusal, show } from "../testing";
import { setOpenAttempt } from "../trade/open-attempt";
import Onboarding from "./onboarding";

const STATE = { account: true, order: false, email_verified: false, pin: false, second_factor: false, complete: false };
const ROUTES = {
  "GET /users/me": ME,
  "GET /users/me/onboarding": STATE,
  "GET /accounts": [{ id: "a", status: "open" }],
  "GET /instruments": [{ symbol: "TIDE", order_lot: "1" }],
  "GET /orders": [],
  "POST /orders/preview": PREVIEW,
};

beforeEach(() => {
  asUser();
  setOpenAttempt("a", null);
});
afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

const buy = () => screen.findByRole("button", { name: "Buy 10 TIDE at the market" });

test.each([
  ["the gateway failed", new Refusal(500, "internal")],
  ["it did not come in time", new Refusal(408, "timed_out")],
])("sends the first order again under the same name when %s", async (_, refusal) => {
  const answers: unknown[] = [refusal, new Refusal(409, "conflict"), FILLED];
  gateway({ ...ROUTES, "POST /orders": () => answers.shift() });
  const sent = vi.spyOn(globalThis, "fetch");
  show(<Onboarding />);
  await userEvent.click(await buy());
  await userEvent.click(await screen.findByRole("button", { name: "Send the same again" }));
  await waitFor(() => expect(answers).toHaveLength(1));
  await userEvent.click(await screen.findByRole("button", { name: "Send the same again" }));
  await screen.findByText("Bought 10 TIDE at 99.50.");
  const names = sent.mock.calls
    .map(([input]) => input as Request)
    .filter((request) => new URL(request.url).pathname === "/api/v1/orders" && request.method === "POST")
    .map((request) => request.headers.get("Idempotency-Key"));
  expect(names).toHaveLength(3);
  expect(new Set(names).size).toBe(1);
});

test("does not ask for the order by itself: events tell what becomes of it", async () => {
  const asked = gateway({ ...ROUTES, "POST /orders": { ...FILLED, status: "new", filled_qty: "0", leaves_qty: "10" } });
  show(<Onboarding />);
  await userEvent.click(await buy());
  await screen.findByText("Working: buy 10 TIDE.");
  expect(asked.some((one) => one.route === "GET /orders/1")).toBe(false);
});

test("says why the preview was refused", async () => {
  gateway({ ...ROUTES, "POST /orders/preview": new Refusal(422, "rejected", {}, "The market is closed.") });
  show(<Onboarding />);
  expect((await screen.findByRole("alert")).textContent).toBe("The market is closed.");
});

test("says that the instruments could not be loaded", async () => {
  gateway({ ...ROUTES, "GET /instruments": new Refusal(503, "unavailable", {}, "The database cannot be reached.") });
  show(<Onboarding />);
  expect((await screen.findByRole("alert")).textContent).toContain("The database cannot be reached.");
  expect(screen.queryByText(/being opened/)).toBeNull();
});
