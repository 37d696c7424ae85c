import { act, cleanup, render, screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { sessionState } from "../api/session";
import { asStranger, asUser, gateway, ME } from "../pages/testing";
import { App } from "./app";
import { queries } from "./queries";

vi.mock("../pages/trade/trade", () => ({
  default: ({ symbol }: { symbol?: string }) => (
    <>
      <h1>Trade {symbol}</h1>
      <input aria-label="Quantity" />
    </>
  ),
}));
vi.mock("../pages/market/market", () => ({ default: () => <h1>Market</h1> }));
vi.mock("../pages/system/system", () => {
  throw new TypeError("Failed to fetch dynamically imported module");
});
vi.mock("../pages/sign-in/sign-in", () => ({ default: () => <h1>Sign in</h1> }));
const shell = vi.hoisted(() => ({ breaks: false }));
vi.mock("./keys", () => ({
  Keys: () => {
    if (shell.breaks) throw new Error("no keys");
    return null;
  },
}));
vi.mock("../live/socket", () => ({
  socket: {
    follow: () => () => undefined,
    subscribe: () => () => undefined,
    state: () => "idle",
    takeNewAccounts: vi.fn(),
  },
}));

const ANSWERS = {
  "GET /users/me": { ...ME, permissions: ["profile:read", "risk:read"] },
  "GET /accounts": [],
  "GET /instruments": [{ symbol: "TIDE" }],
  "GET /risk/stopped": { kills: [], tripped: [] },
};

function open(path: string, answers: Record<string, unknown> = {}) {
  history.replaceState(null, "", path);
  const asked = gateway({ ...ANSWERS, ...answers });
  render(<App />);
  return asked;
}

beforeEach(() => asUser());
afterEach(() => {
  cleanup();
  queries.clear();
  asStranger();
  vi.unstubAllGlobals();
});

test("a tab becomes the user who signed in in another, says so, and drops what was typed", async () => {
  open("/trade/TIDE");
  await userEvent.type(await screen.findByLabelText("Quantity"), "100");
  await screen.findByRole("button", { name: "Menu" });
  await waitFor(() => expect(queries.getQueryData(["me", "u1"])).toBeTruthy());
  gateway({
    ...ANSWERS,
    "GET /users/me": { ...ME, id: "u2", name: "Zed" },
    "POST /auth/refresh": { access_token: "z", expires_in: 900, refresh_token: "z2", user: "u2" },
  });
  localStorage.setItem("tidegate.user", "u2");
  localStorage.setItem("tidegate.session", "z1");
  act(() => void dispatchEvent(new StorageEvent("storage", { key: "tidegate.session", newValue: "z1" })));
  expect(sessionState().user).toBe("u2");
  expect(queries.getQueryData(["me", "u1"])).toBeUndefined();
  expect((screen.getByLabelText("Quantity") as HTMLInputElement).value).toBe("");
  expect((await screen.findByRole("alert")).textContent).toContain("You are signed in as Zed now, in another tab.");
  act(() => screen.getByRole("button", { name: "Put away" }).click());
});

test.each([
  ["/users/me", {}],
  ["/users/me", { ...ME, name: null }],
  ["/instruments", {}],
  ["/accounts", {}],
  ["/risk/stopped", {}],
])("the page goes on where %s is answered as %j", async (path, answer) => {
  const asked = open("/market", { [`GET ${path}`]: answer });
  await screen.findByRole("heading", { name: "Market" });
  await waitFor(() => expect(asked.map((one) => one.route)).toContain(`GET ${path}`));
  await waitFor(() => expect(queries.isFetching()).toBe(0));
  screen.getByRole("heading", { name: "Market" });
  screen.getByRole("button", { name: "Menu" });
});

test("what breaks outside of the page leaves a reload too", async () => {
  vi.spyOn(console, "error").mockImplementation(() => undefined);
  shell.breaks = true;
  open("/market");
  shell.breaks = false;
  expect(screen.getByRole("alert").textContent).toContain("no keys");
  screen.getByRole("button", { name: "Reload" });
});

test("a page that cannot be loaded offers a reload", async () => {
  vi.spyOn(console, "error").mockImplementation(() => undefined);
  open("/system");
  expect((await screen.findByRole("alert")).textContent).toContain("There may be a new version");
  screen.getByRole("button", { name: "Reload" });
});

test.each([
  ["/trade/%", "Trade %"],
  ["/trade/%25", "Trade %"],
  ["/trade/%E0%A4%A", "Trade %E0%A4%A"],
  ["/trade/EUR%2FUSD", "Trade EUR/USD"],
  ["/trade/tide", "Trade TIDE"],
])("the symbol of %s is decoded once", async (path, heading) => {
  open(path);
  await screen.findByRole("heading", { name: heading });
});

test("the head of the next page has the focus and is told, but not that of the first", async () => {
  open("/trade/TIDE");
  await screen.findByRole("heading", { name: "Trade TIDE" });
  expect(document.activeElement).toBe(document.body);
  await userEvent.click(screen.getByRole("link", { name: "Market" }));
  const head = await screen.findByRole("heading", { name: "Market" });
  await waitFor(() => expect(document.activeElement).toBe(head));
  expect(document.getElementById("announced")?.textContent).toBe("Market");
});

test("a page that there is not has a head and a title", async () => {
  open("/nowhere");
  await screen.findByRole("heading", { name: "There is no such page" });
  expect(document.title).toBe("There is no such page · Tidegate");
});

test.each([
  ["/sign-in?next=/market", "/market"],
  ["/sign-in?next=/%09/evil.example", "/trade"],
  ["/register", "/trade"],
])("%s leads who is signed in on to %s", async (from, to) => {
  open(from);
  await waitFor(() => expect(location.pathname).toBe(to));
});

test("a stranger who follows nothing is told nothing of the connection", async () => {
  asStranger();
  open("/register");
  await screen.findByRole("heading", { name: "Sign in" });
  expect(screen.queryByText(/Connecting/)).toBeNull();
});
