import { cleanup, screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Notices } from "../../components/notices";
import { readPreferences } from "../../shell/preferences";
import { allowDialogs, asUser, gateway, ME, show } from "../testing";
import { ApiKeys } from "./api-keys";
import { Brokers } from "./brokers";
import { Once } from "./once";
import { ProfileSection } from "./profile";
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
  // What takes the place of what was acted on takes its focus, too.
  expect(document.activeElement?.contains(screen.getByTestId("secret"))).toBe(true);
  await userEvent.type(screen.getByLabelText("Code of six digits"), "123456");
  await userEvent.click(screen.getByRole("button", { name: "Switch it on" }));
  // The profile says meanwhile that it is on: the codes are still there.
  await screen.findByRole("button", { name: "Switch it off" });
  for (const code of CODES) screen.getByText(code);
  expect(document.activeElement).toBe(screen.getByRole("region", { name: "Your recovery codes" }));
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

const CONNECTION = { id: "b1", name: "Mine", broker: "alpaca", fingerprint: "ff", created_at: 0 };

test("credentials that were typed are gone with their dialog", async () => {
  gateway({ "GET /broker-connections": [CONNECTION] });
  show(<Brokers />);
  const open = async () =>
    userEvent.click(await screen.findByRole("button", { name: "Change the credentials of Mine" }));
  const values = () => screen.getAllByLabelText("Its value") as HTMLInputElement[];
  await open();
  await userEvent.type(values()[0] as HTMLInputElement, "hunter2");
  await userEvent.click(screen.getByRole("button", { name: "Leave it" }));
  await open();
  expect(values().map((one) => one.value)).toEqual(["", ""]);
});

test("two fields of one name are refused, not made one", async () => {
  const asked = gateway({ "GET /broker-connections": [CONNECTION], "PUT /broker-connections/b1": CONNECTION });
  show(<Brokers />);
  await userEvent.click(await screen.findByRole("button", { name: "Change the credentials of Mine" }));
  const [first, second] = screen.getAllByLabelText("Its value") as [HTMLInputElement, HTMLInputElement];
  await userEvent.type(first, "one");
  await userEvent.type(second, "two");
  const name = screen.getByLabelText("Field 2");
  await userEvent.clear(name);
  await userEvent.type(name, "key");
  await userEvent.click(screen.getByRole("button", { name: "Change them" }));
  await screen.findByText("Two fields are called key.");
  expect(asked.some((one) => one.route.startsWith("PUT"))).toBe(false);
  await userEvent.clear(name);
  await userEvent.type(name, "secret");
  await userEvent.click(screen.getByRole("button", { name: "Change them" }));
  await waitFor(() => expect(asked.at(-2)?.body).toEqual({ credentials: { key: "one", secret: "two" } }));
});

test("a copy that the browser refused is not said to be made", async () => {
  const user = userEvent.setup();
  vi.spyOn(navigator.clipboard, "writeText").mockRejectedValue(new Error("NotAllowedError"));
  show(
    <>
      <Once title="Codes" about="" lines={["aaaa"]} file="codes.txt" onKept={() => undefined} />
      <Notices />
    </>,
  );
  await user.click(screen.getByRole("button", { name: "Copy" }));
  expect((await screen.findByRole("alert")).textContent).toContain("did not let it be copied");
  expect(screen.queryByText("Copied.")).toBeNull();
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

test("a zone is kept once it is left, and not each that typing passes by", async () => {
  const asked = gateway({ "GET /users/me": ME, "PATCH /users/me": ME, "GET /accounts": [] });
  show(<ProfileSection />);
  const zone = await screen.findByLabelText("Show times in");
  await userEvent.selectOptions(zone, "Europe/Berlin");
  await userEvent.selectOptions(zone, "Europe/London");
  const kept = () => asked.filter((one) => JSON.stringify(one.body)?.includes("Europe"));
  expect(kept()).toEqual([]);
  await userEvent.tab();
  await waitFor(() => expect(kept()).toHaveLength(1));
  expect(JSON.stringify(kept()[0]?.body)).toContain("Europe/London");
});
