import { cleanup, screen, waitFor } from "@testing-library/react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { asUser, gateway, ME, Paged, show } from "../testing";
import Risk from "./risk";

vi.mock("../../live/risk", async (original) => ({ ...(await original<object>()), useRiskMessages: () => undefined }));
vi.mock("../../live/market", async (original) => ({ ...(await original<object>()), useLink: () => "live" }));

const account = (id: string, name: string) => ({ id, name, owner: "u2", kind: "paper", status: "open", balances: [] });
const LIMITS = {
  max_order_notional: "1",
  credit: "0",
  max_order_lots: 1,
  max_position_lots: 1,
  price_collar_bp: 1,
  max_open_orders: 1,
  messages_per_sec: 1,
  message_burst: 1,
};

beforeEach(() => {
  asUser();
  vi.stubGlobal("matchMedia", () => ({ matches: false }));
});
afterEach(() => {
  cleanup();
  history.replaceState(null, "", "/");
  vi.unstubAllGlobals();
});

const routes = {
  "GET /users/me": { ...ME, role: "risk_officer", permissions: ["risk:read", "accounts:read_all"] },
  "GET /accounts": (_: unknown, url: URL) =>
    url.searchParams.has("everybody") ? new Paged([account("a1", "First"), account("a2", "Second")], "more") : [],
  "GET /accounts/a9": account("a9", "Ninth"),
  "GET /accounts/a1/limits": LIMITS,
  "GET /accounts/a2/limits": LIMITS,
  "GET /accounts/a9/limits": LIMITS,
  "GET /risk/stopped": { kills: [], tripped: [] },
  "GET /risk/controls": [],
  "GET /risk/history": [],
};

test("the address names the account that is looked at", async () => {
  gateway(routes);
  history.replaceState(null, "", "/risk?account=a2");
  show(<Risk />);
  await screen.findByRole("heading", { name: "Limits of Second (a2)" });
});

test("one that is on a page not loaded yet is asked for, and meanwhile no other takes its place", async () => {
  const asked = gateway(routes);
  history.replaceState(null, "", "/risk?account=a9");
  show(<Risk />);
  await screen.findByRole("heading", { name: "Limits of Ninth (a9)" });
  await waitFor(() => expect(asked.some((one) => one.route === "GET /accounts/a9/limits")).toBe(true));
  expect(asked.some((one) => one.route === "GET /accounts/a1/limits")).toBe(false);
});
