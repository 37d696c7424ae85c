import { expect, test } from "vitest";
import { atPrices, isHeld, type Order } from "./account";

const order = (told: Partial<Order>) => ({ status: "new", ...told }) as Order;

test("an order tells the prices that it has", () => {
  expect(atPrices(order({ limit_price: "100.0500" }))).toBe(" at 100.05");
  expect(atPrices(order({ stop_price: "98.0000" }))).toBe(" stop 98.00");
  expect(atPrices(order({ limit_price: "97.5000", stop_price: "98.0000" }))).toBe(" at 97.50 stop 98.00");
  expect(atPrices(order({ limit_price: null }))).toBe("");
});

test("what waits for its list is held, what waits for its venue is not", () => {
  expect(isHeld(order({ status: "pending_new", parent: "1" }))).toBe(true);
  expect(isHeld(order({ status: "pending_new" }))).toBe(false);
  expect(isHeld(order({ status: "new", parent: "1" }))).toBe(false);
});
