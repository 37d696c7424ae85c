import { expect, test } from "vitest";
import { stoppedBy } from "./stopped";

const kill = (scope: object, more = {}) =>
  ({ engaged: true, reason: "a drill", scope, mode: "block", ...more }) as never;
const preview = (passes: boolean) => {
  const verdict = {
    reason: "kill_switch",
    scope: "firm",
    value: "0",
    limit: "0",
    passes,
    message: "the firm is stopped",
  };
  return { hash: "h", needs_authorization: false, legs: [{ summary: "s", controls: [verdict] }] };
};

test.each([
  [[kill({ kind: "firm" })], "The firm is stopped: a drill"],
  [[kill({ kind: "account", account: "a" })], "The account is stopped: a drill"],
  [[kill({ kind: "account", account: "b" })], null],
  [[kill({ kind: "instrument", symbol: "TIDE" })], "TIDE is stopped: a drill"],
  [[kill({ kind: "instrument", symbol: "WAVE" })], null],
  [[kill({ kind: "firm" }, { engaged: false })], null],
  [[kill({ kind: "firm" }, { mode: "reduce_only" })], null],
])("kill switches that stop an order of TIDE in account a: %#", (kills, said) => {
  expect(stoppedBy(kills, "a", "TIDE")).toBe(said);
});

test("the preview knows of switches that the user may not see, and of those that let some orders pass", () => {
  expect(stoppedBy([], "a", "TIDE", preview(false))).toBe("the firm is stopped");
  expect(stoppedBy([], "a", "TIDE", preview(true))).toBeNull();
});
