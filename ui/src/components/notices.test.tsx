import { act, cleanup, render, screen } from "@testing-library/react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Notices, tell, tellError } from "./notices";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  for (const button of screen.queryAllByRole("button")) act(() => button.click());
  act(() => void vi.runAllTimers());
  cleanup();
  vi.useRealTimers();
});

const said = () => [...document.querySelectorAll(".notice span")].map((notice) => notice.textContent);

test("infos push each other out, but no error", () => {
  render(<Notices />);
  act(() => {
    tellError(new Error("wrong"));
    for (const number of [1, 2, 3, 4, 5]) tell(`info ${number}`);
  });
  expect(said()).toEqual(["wrong", "info 2", "info 3", "info 4", "info 5"]);
  act(() => void vi.runAllTimers());
  expect(said()).toEqual(["wrong"]);
});

test("all errors stand until they are put away, each once", () => {
  render(<Notices />);
  act(() => {
    for (const number of [1, 2, 3, 4, 5, 1]) tellError(`error ${number}`);
  });
  expect(said()).toEqual(["error 2", "error 3", "error 4", "error 5", "error 1"]);
});
