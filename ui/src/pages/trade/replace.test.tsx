import { cleanup, screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Order } from "../../live/account";
import { allowDialogs, asUser, gateway, Refusal, show } from "../testing";
import { Replace } from "./replace";

const ORDER = { id: "1", symbol: "TIDE", side: "buy", type: "limit", qty: "10", leaves_qty: "10", limit_price: "100" };

beforeEach(() => {
  allowDialogs();
  asUser();
});
afterEach(cleanup);

test.each([
  ["limit_price", "field-error"],
  // The engine's name of it, which no field has.
  ["price", "banner danger"],
])("what is wrong with %s is said", async (field, where) => {
  gateway({ "PATCH /orders/1": new Refusal(422, "invalid_field", { field }, `${field} is wrong`) });
  show(<Replace order={ORDER as Order} onClose={() => undefined} />);
  await userEvent.type(screen.getByLabelText("Limit price"), ".001");
  await userEvent.click(screen.getByRole("button", { name: "Replace" }));
  expect((await screen.findByText(`${field} is wrong`)).className).toBe(where);
});

test("arrow keys step the price and the quantity", async () => {
  const instrument = { symbol: "TIDE", order_lot: "5", tick_size: "0.01", order_tick: "0.01", order_tick_from: "0" };
  gateway({ "GET /instruments": [instrument] });
  show(<Replace order={ORDER as Order} onClose={() => undefined} />);
  const limit = screen.getByLabelText("Limit price") as HTMLInputElement;
  await waitFor(async () => {
    await userEvent.type(limit, "{ArrowUp}");
    expect(limit.value).not.toBe("100");
  });
  expect(limit.value).toBe("100.01");
  await userEvent.type(limit, "{Shift>}{ArrowDown}{/Shift}");
  expect(limit.value).toBe("99.91");
  const qty = screen.getByLabelText(/^Quantity/) as HTMLInputElement;
  await userEvent.type(qty, "{ArrowUp}");
  expect(qty.value).toBe("15");
});
