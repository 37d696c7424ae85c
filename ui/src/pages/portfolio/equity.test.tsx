import { cleanup, screen } from "@testing-library/react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Schemas } from "../../api/client";
import { asUser, gateway, ME, show } from "../testing";
import { Equity } from "./equity";

vi.mock("../../chart/line", () => ({ default: () => <div>a line</div> }));

beforeEach(() => asUser());
afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

test("what is paid in is no profit, and it is said what counts", async () => {
  const now = Date.now();
  const point = (ago_ms: number, equity: string, realised: string) => ({
    at: new Date(now - ago_ms).toISOString(),
    currency: "USD",
    equity,
    cash: equity,
    realised,
    unrealised: "0",
    fees: "0",
  });
  gateway({
    "GET /users/me": ME,
    "GET /portfolio/history": [point(60_000, "1000", "0"), point(30_000, "6000", "0"), point(1_000, "6050", "50")],
  });
  const account = { id: "a", created_at: now - 3_600_000 } as Schemas["AccountReport"];
  const totals = { ...point(0, "6040", "50"), fees: "10", unmarked: 0 } as unknown as Schemas["Totals"];
  show(<Equity account={account} totals={totals} at={now} />);
  const profit = await screen.findByText("▴ +40.00");
  expect(profit.closest("[title]")?.getAttribute("title")).toContain("What was paid in or out");
  expect(screen.getByText("▴ +4.00").closest("[title]")?.getAttribute("title")).toContain("equity at the start");
  // 10 of 1050, not of what was paid in besides.
  expect(screen.getByText(/^0\.95 % \(10\.00\)/)).toBeTruthy();
});
