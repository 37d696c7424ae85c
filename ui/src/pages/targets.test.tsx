// Heads and targets as the style sheets have them: what is pressed is 24 pixels wide and high at least (WCAG 2.5.8).

import { readFileSync } from "node:fs";
import { cleanup, screen } from "@testing-library/react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Position } from "../live/account";
import { Audit } from "./admin/audit";
import { Positions } from "./portfolio/positions";
import { Proposals } from "./risk/proposals";
import { asUser, gateway, ME, show } from "./testing";

function dress(...paths: string[]) {
  const style = document.createElement("style");
  style.textContent = paths.map((path) => readFileSync(`src/${path}`, "utf8")).join("\n");
  document.head.append(style);
}

beforeEach(() => {
  asUser();
  vi.stubGlobal("matchMedia", () => ({ matches: false }));
  // jsdom lays nothing out: without a height no row would be drawn.
  vi.spyOn(Element.prototype, "clientHeight", "get").mockReturnValue(400);
});
afterEach(() => {
  cleanup();
  document.head.replaceChildren();
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

test("heads of figures are words at the end of their column, and large enough to press", async () => {
  gateway({ "GET /users/me": ME, "GET /instruments": [] });
  dress("components/components.css", "pages/portfolio/portfolio.css");
  const position = { symbol: "TIDE", qty: "10", cost: "1", avg_price: "99" } as Position;
  show(
    <div className="portfolio">
      <Positions account="a" positions={[position]} instruments={[]} />
    </div>,
  );
  const head = await screen.findByRole("columnheader", { name: "Quantity" });
  expect(getComputedStyle(head).textAlign).toBe("end");
  expect(getComputedStyle(head).fontFamily).not.toContain("figures");
  expect(getComputedStyle(screen.getByRole("cell", { name: "10" })).fontFamily).toContain("figures");
  for (const target of [screen.getByRole("button", { name: "Quantity" }), screen.getByRole("link", { name: "TIDE" })]) {
    const { lineHeight, minWidth } = getComputedStyle(target);
    expect([lineHeight, minWidth]).toEqual(["24px", "24px"]);
  }
});

test("a box to check is large enough", async () => {
  gateway({ "GET /users/me": { ...ME, permissions: ["risk:write"] }, "GET /risk/proposals": [] });
  dress("components/components.css", "pages/risk/risk.css");
  show(
    <div className="risk">
      <Proposals names={new Map()} />
    </div>,
  );
  const { width, height } = getComputedStyle(await screen.findByRole("checkbox"));
  expect([width, height]).toEqual(["24px", "24px"]);
});

test("who did something is large enough to press", async () => {
  const row = { id: 1, actor: "u2", action: "login", at: 0, target: "", ip: "", detail: {} };
  gateway({ "GET /users/me": ME, "GET /users": [], "GET /audit": [row] });
  dress("components/components.css", "pages/admin/admin.css");
  show(
    <div className="admin">
      <Audit />
    </div>,
  );
  const { lineHeight, minWidth } = getComputedStyle(await screen.findByRole("button", { name: "u2" }));
  expect([lineHeight, minWidth]).toEqual(["24px", "24px"]);
});
