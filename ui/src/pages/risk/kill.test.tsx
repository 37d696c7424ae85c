import { cleanup, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { useStopped } from "../../live/risk";
import { asUser, gateway, ME, show } from "../testing";
import { StandsStill } from "./in-force";
import { KillSwitch } from "./kill";
import { accountName } from "./say";

const surf = { kind: "instrument", symbol: "SURF" };
const routes = {
  "GET /users/me": { ...ME, role: "risk_officer", permissions: ["risk:read", "risk:write"] },
  "GET /instruments": [{ symbol: "SURF" }, { symbol: "TIDE" }],
  "GET /risk/stopped": { kills: [{ engaged: true, mode: "block", reason: "a drill", scope: surf }], tripped: [] },
  "GET /risk/proposals": [],
};

beforeEach(() => {
  asUser();
  vi.stubGlobal("matchMedia", () => ({ matches: false }));
});
afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

test("accounts of one name are told apart", () => {
  expect(accountName({ id: "0192a3b4-5c6d-7e8f-9012-3456789abcde", name: "Paper" })).toBe("Paper (0192a3b4)");
});

test("what is stopped is not offered to be stopped again", async () => {
  gateway(routes);
  show(<KillSwitch accounts={[]} names={new Map()} />);
  await userEvent.click(screen.getByRole("radio", { name: "Instrument" }));
  await screen.findByRole("option", { name: "SURF" });
  await userEvent.selectOptions(screen.getByLabelText("Instrument", { selector: "select" }), "SURF");
  await screen.findByText(/kill switch for instrument SURF is engaged already/);
  expect(screen.queryByRole("button", { name: /^Stop/ })).toBeNull();
  await userEvent.selectOptions(screen.getByLabelText("Instrument", { selector: "select" }), "TIDE");
  expect(screen.getByRole("button", { name: "Stop instrument TIDE" })).toBeTruthy();
});

function Still() {
  return <StandsStill stopped={useStopped()} names={new Map()} />;
}

test("a release is offered, or the proposal named that waits for one", async () => {
  gateway(routes);
  show(<Still />);
  await screen.findByRole("button", { name: "Ask for release of instrument SURF" });
  cleanup();
  gateway({
    ...routes,
    "GET /risk/proposals": [{ number: 7, command: "release", status: "pending", scope: surf }],
  });
  show(<Still />);
  await screen.findByText(/Proposal 7 to release it waits/);
  expect(screen.queryByRole("button", { name: /Ask for release/ })).toBeNull();
});
