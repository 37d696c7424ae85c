import { cleanup, fireEvent, screen, waitFor } from "@testing-library/react";
import { afterEach, expect, test, vi } from "vitest";
import { setZone } from "../../format/time";
import { asUser, gateway, ME, show } from "../testing";
import { Audit } from "./audit";

afterEach(() => {
  cleanup();
  setZone(undefined);
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

test("times are asked for in the user's zone", async () => {
  asUser();
  setZone("America/New_York");
  const from: (string | null)[] = [];
  gateway({
    "GET /audit": (_: unknown, url: URL) => {
      from.push(url.searchParams.get("from"));
      return [];
    },
  });
  show(<Audit />);
  fireEvent.change(await screen.findByLabelText("Not before"), { target: { value: "2026-11-23T09:30" } });
  await waitFor(() => expect(from.at(-1)).toBe(String(Date.UTC(2026, 10, 23, 14, 30))));
});

test("who did something has a name where the users are known", async () => {
  asUser();
  vi.stubGlobal("matchMedia", () => ({ matches: false }));
  vi.spyOn(HTMLElement.prototype, "clientHeight", "get").mockReturnValue(400);
  const row = { seq: 1, at: 0, action: "order.submit", actor: "u7", target: "", ip: "::1", detail: {} };
  const asked: (string | null)[] = [];
  gateway({
    "GET /users/me": { ...ME, permissions: ["users:admin", "audit:read"] },
    "GET /users": [{ id: "u7", email: "nina@example.org" }],
    "GET /audit": (_: unknown, url: URL) => {
      asked.push(url.searchParams.get("actor"));
      return [row];
    },
  });
  show(<Audit />);
  fireEvent.click(await screen.findByRole("button", { name: "nina@example.org" }));
  await waitFor(() => expect(asked.at(-1)).toBe("u7"));
});
