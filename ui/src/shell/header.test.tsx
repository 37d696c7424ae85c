import { act, cleanup, render, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, expect, it, vi } from "vitest";
import { sessionState } from "../api/session";
import { Notices } from "../components/notices";
import { asUser, gateway, ME, show } from "../pages/testing";
import { Header } from "./header";

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

function header(permissions: string[]) {
  asUser();
  gateway({ "GET /users/me": { ...ME, permissions }, "GET /accounts": [] });
  show(<Header />);
}

it.each(["users:admin", "accounts:read_all", "instruments:admin", "audit:read"])(
  "shows Admin to whoever has a part of it: %s",
  async (permission) => {
    header(["profile:read", permission]);
    await screen.findByRole("link", { name: "Admin" });
  },
);

it("does not show what is not for one's role", async () => {
  header(["profile:read", "risk:read"]);
  await screen.findByRole("link", { name: "Risk" });
  expect(screen.queryByRole("link", { name: "Admin" })).toBeNull();
});

it("gives the focus back to the button of the menu that Escape closes, and keeps the key", async () => {
  header(["profile:read"]);
  const button = await screen.findByRole("button", { name: "Menu" });
  await userEvent.click(button);
  screen.getByLabelText("Theme").focus();
  const seen = vi.fn((event: Event) => event.defaultPrevented);
  addEventListener("keydown", seen);
  await userEvent.keyboard("{Escape}");
  removeEventListener("keydown", seen);
  expect(screen.queryByLabelText("Theme")).toBeNull();
  expect(document.activeElement).toBe(button);
  expect(seen).toHaveReturnedWith(true);
});

it("says so if the gateway could not be told that one signed out", async () => {
  header(["profile:read"]);
  render(<Notices />);
  await userEvent.click(await screen.findByRole("button", { name: "Menu" }));
  vi.stubGlobal("fetch", () => Promise.reject(new TypeError("Failed to fetch")));
  await userEvent.click(screen.getByRole("button", { name: "Sign out" }));
  expect((await screen.findByRole("alert")).textContent).toContain("the gateway could not be told");
  expect(sessionState().status).toBe("out");
  await act(async () => screen.getByRole("button", { name: "Put away" }).click());
});
