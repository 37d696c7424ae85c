import { cleanup, screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, beforeEach, expect, test } from "vitest";
import { asUser, gateway, Refusal, show } from "../testing";
import { PlanAndBilling } from "./plan";

const PLANS = [
  { plan: "free", is_current: false, automatic_orders_per_day: 0 },
  { plan: "basic", is_current: true, automatic_orders_per_day: 10 },
  { plan: "pro", is_current: false, automatic_orders_per_day: 50 },
  { plan: "enterprise", is_current: false },
];
const ROUTES = { "GET /plans": PLANS, "GET /billing/subscription": { status: "none", plan: "free" } };

beforeEach(() => asUser());
afterEach(cleanup);

const card = async (name: string) => within(await screen.findByRole("region", { name }));
const offered = () => screen.queryAllByRole("button", { name: /^Choose/ }).map((button) => button.textContent);

async function choose(answer: unknown) {
  const asked = gateway({ ...ROUTES, "POST /billing/checkout": answer });
  show(<PlanAndBilling />);
  await userEvent.click(await screen.findByRole("button", { name: "Choose Pro" }));
  await waitFor(() => expect(asked.at(-1)).toEqual({ route: "POST /billing/checkout", body: { plan: "pro" } }));
}

test("where no plan is sold, each says so once one was chosen, and none is offered any more", async () => {
  await choose(new Refusal(404, "not_found"));
  await (await card("Pro")).findByText(/^It is not sold here/);
  (await card("Enterprise")).getByText(/^It is not sold here/);
  expect(offered()).toEqual([]);
  for (const name of ["Free", "Basic"]) expect((await card(name)).queryByText(/not sold/)).toBeNull();
  // The button that had the focus is gone.
  expect(document.activeElement?.textContent).toMatch(/^It is not sold here/);
});

test("a plan that alone is not sold takes no other away", async () => {
  await choose(new Refusal(422, "invalid_field", { field: "plan" }));
  await (await card("Pro")).findByText(/^It is not sold here/);
  expect(offered()).toEqual(["Choose Enterprise"]);
});

test("what goes wrong otherwise is said, and the plan can be chosen again", async () => {
  await choose(new Refusal(503, "unavailable", {}, "The payment service is away."));
  expect((await screen.findByRole("alert")).textContent).toBe("The payment service is away.");
  expect(offered()).toEqual(["Choose Pro", "Choose Enterprise"]);
});
