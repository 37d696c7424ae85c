import { cleanup, fireEvent, screen } from "@testing-library/react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { allowDialogs, asUser, gateway, ME, show } from "../pages/testing";
import { Keys, useKeys } from "./keys";

const act = vi.fn();

function Page() {
  useKeys([
    ["b", "Buy", () => act("b")],
    ["Escape", "Take back", () => act("Escape")],
    ["Control+Enter", "Send", () => act("send")],
  ]);
  return (
    <>
      <input aria-label="Limit" />
      <input type="radio" aria-label="Day" />
      <select aria-label="Account" />
      <button type="button" aria-label="Menu" onKeyDown={(event) => event.key === "Escape" && event.preventDefault()} />
      <details open>
        <summary>More</summary>
      </details>
    </>
  );
}

beforeEach(() => {
  act.mockClear();
  asUser();
  gateway({ "GET /users/me": { ...ME, permissions: [] } });
});
afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

test("fields for text, menus and details keep their keys, and radios do not", () => {
  show(<Page />);
  for (const name of ["Limit", "Account"]) {
    fireEvent.keyDown(screen.getByLabelText(name), { key: "b" });
    fireEvent.keyDown(screen.getByLabelText(name), { key: "Escape" });
  }
  fireEvent.keyDown(screen.getByLabelText("Menu"), { key: "Escape" });
  fireEvent.keyDown(screen.getByText("More"), { key: "Escape" });
  expect(act).not.toHaveBeenCalled();
  fireEvent.keyDown(screen.getByLabelText("Day"), { key: "b" });
  fireEvent.keyDown(document.body, { key: "Escape" });
  expect(act.mock.calls).toEqual([["b"], ["Escape"]]);
});

test("a key that is held acts once", () => {
  show(<Page />);
  const held = { key: "Enter", ctrlKey: true };
  fireEvent.keyDown(document.body, held);
  for (let times = 0; times < 3; times += 1) fireEvent.keyDown(document.body, { ...held, repeat: true });
  expect(act.mock.calls).toEqual([["send"]]);
});

test("the list has no places that one may not go to", async () => {
  allowDialogs();
  show(<Keys />);
  fireEvent.keyDown(document.body, { key: "?", shiftKey: true });
  await screen.findByText("Go to Market");
  expect(screen.queryByText("Go to Admin")).toBeNull();
});
