import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { soon } from "./soon";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("it is done once for all that ask in between, and again for who asks later", () => {
  const act = vi.fn();
  const { ask } = soon(act, 100);
  ask();
  vi.advanceTimersByTime(60);
  ask();
  vi.advanceTimersByTime(40);
  expect(act).toHaveBeenCalledTimes(1);
  ask();
  vi.advanceTimersByTime(100);
  expect(act).toHaveBeenCalledTimes(2);
});

test("what was canceled is not done, and can be asked for again", () => {
  const act = vi.fn();
  const { ask, cancel } = soon(act, 100);
  ask();
  cancel();
  vi.advanceTimersByTime(200);
  expect(act).not.toHaveBeenCalled();
  ask();
  vi.advanceTimersByTime(100);
  expect(act).toHaveBeenCalledTimes(1);
});
