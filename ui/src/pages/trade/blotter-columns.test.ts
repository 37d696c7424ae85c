import { expect, test } from "vitest";
import { narrowed } from "./blotter-columns";

test("where there is little room, what matters most comes first and the acts come last", () => {
  const columns = ["acts", "time", "symbol", "side", "type", "qty", "price", "status"].map((id) => ({
    id,
    title: id,
    cell: () => null,
  }));
  const ids = narrowed(columns).map((column) => column.id);
  expect(ids).toEqual(["side", "qty", "price", "time", "symbol", "type", "status", "acts"]);
});
