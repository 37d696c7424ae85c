import { cleanup, screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { allowDialogs, asUser, gateway, show } from "../testing";
import { ChangeUser, consequences, type User } from "./users";

const BOB: User = {
  id: "u2",
  email: "bob@example.org",
  name: "Bob",
  role: "trader",
  plan: "free",
  disabled: false,
  email_verified: true,
  totp_enabled: false,
  principal: 1001,
  created_at: 0,
};

beforeEach(() => {
  allowDialogs();
  asUser();
});
afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

test("what follows of a change is said before, and only the change is sent", async () => {
  const asked = gateway({ "PATCH /users/u2": BOB });
  const onClose = vi.fn();
  show(<ChangeUser user={BOB} onClose={onClose} />);
  screen.getByText("Nothing is changed yet.");
  await userEvent.selectOptions(screen.getByLabelText("Role"), "risk_officer");
  screen.getByText(/Bob becomes risk officer/);
  screen.getByText(/Who controls does not trade/);
  await userEvent.click(screen.getByRole("button", { name: "Change it so" }));
  await waitFor(() => expect(onClose).toHaveBeenCalled());
  expect(asked).toEqual([{ route: "PATCH /users/u2", body: { role: "risk_officer" } }]);
});

test("nobody changes oneself", () => {
  gateway({});
  show(<ChangeUser user={{ ...BOB, id: "u1" }} onClose={() => undefined} />);
  expect((screen.getByLabelText("Role") as HTMLSelectElement).disabled).toBe(true);
  screen.getByText(/Ask another administrator/);
});

test("shutting out and letting in again say what they do", () => {
  expect(consequences(BOB, "trader", "free", true).join()).toContain("API keys end at once");
  expect(consequences({ ...BOB, disabled: true }, "trader", "free", false).join()).toContain("may log in again");
  expect(consequences(BOB, "trader", "pro", false).join()).toContain("Pro");
  expect(consequences(BOB, "trader", "free", false)).toEqual([]);
});
