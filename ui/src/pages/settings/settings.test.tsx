import { cleanup, screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { readPreferences } from "../../shell/preferences";
import { allowDialogs, asUser, gateway, ME, show } from "../testing";
import { ApiKeys } from "./api-keys";
import { SecondFactor } from "./second-factor";
import { device } from "./sessions";

const CODES = Array.from({ length: 10 }, (_, at) => `aaaa-bbbb-cccc-${String(at).padStart(4, "0")}`);

beforeEach(() => {
  allowDialogs();
  asUser();
});
afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

test("recovery codes stay until they are kept, though the page is told anew meanwhile", async () => {
  let enabled = false;
  const asked = gateway({
    "GET /users/me": () => ({ ...ME, totp_enabled: enabled }),
    "POST /auth/totp/setup": { secret: "JBSWY3DPEHPK3PXP", uri: "otpauth://totp/x?secret=JBSWY3DPEHPK3PXP" },
    "POST /auth/totp/enable": () => {
      enabled = true;
      return { recovery_codes: CODES };
    },
  });
  show(<SecondFactor />);
  await userEvent.type(await screen.findByLabelText("Your password"), "correct horse");
  await userEvent.click(screen.getByRole("button", { name: "Set it up" }));
  expect((await screen.findByTestId("secret")).textContent).toBe("JBSW Y3DP EHPK 3PXP");
  await userEvent.type(screen.getByLabelText("Code of six digits"), "123456");
  await userEvent.click(screen.getByRole("button", { name: "Switch it on" }));
  // The profile says meanwhile that it is on: the codes are still there.
  await screen.findByRole("button", { name: "Switch it off" });
  for (const code of CODES) screen.getByText(code);
  await userEvent.click(screen.getByRole("button", { name: "I have kept them" }));
  expect(screen.queryByText(CODES[0] as string)).toBeNull();
  expect(asked.find((one) => one.route === "POST /auth/totp/enable")?.body).toEqual({ code: "123456" });
});

test("a key offers no more than its owner may and programs can, and its token is told once", async () => {
  const key = { id: "k1", name: "bot", scopes: ["market:read"], networks: [], created_at: 0 };
  const asked = gateway({
    "GET /users/me": ME,
    "GET /api-keys": [],
    "GET /plans": [{ plan: "free", is_current: true, automatic_orders_per_day: 0 }],
    "POST /api-keys": { key, token: "tgk_secret" },
  });
  show(<ApiKeys />);
  await userEvent.click(await screen.findByRole("button", { name: "New key" }));
  await screen.findByText("orders:write");
  expect(screen.queryByText("credentials:write")).toBeNull();
  expect(screen.queryByText("risk:read")).toBeNull();
  await userEvent.click(screen.getByRole("checkbox", { name: /orders:write/ }));
  await screen.findByText(/lets programs place 0 orders a day/);
  await userEvent.click(screen.getByRole("checkbox", { name: /orders:write/ }));
  await userEvent.type(screen.getByLabelText("What it is for"), "bot");
  await userEvent.type(screen.getByLabelText("Your password"), "correct horse");
  await userEvent.click(screen.getByRole("button", { name: "Make the key" }));
  await screen.findByText("tgk_secret");
  const sent = asked.find((one) => one.route === "POST /api-keys")?.body;
  expect(sent).toMatchObject({
    name: "bot",
    scopes: ["market:read"],
    networks: [],
    password: "correct horse",
    code: null,
  });
  await userEvent.click(screen.getByRole("button", { name: "I have kept it" }));
  await waitFor(() => expect(screen.queryByText("tgk_secret")).toBeNull());
});

test("preferences of any make are read", () => {
  for (const kept of [null, undefined, {}, { zone: 3, account: "" }]) {
    expect(readPreferences(kept)).toEqual({});
  }
  const kept = { zone: "UTC", account: "a1" };
  expect(readPreferences({ ...kept, other: 1 })).toEqual(kept);
});

test("clients are named by what they say", () => {
  expect(device("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36")).toBe(
    "Chrome on Linux",
  );
  expect(device("curl/8.5.0")).toBe("curl");
  expect(device("")).toBe("Unknown");
});
