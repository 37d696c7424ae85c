import { cleanup, screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { sessionState } from "../../api/session";
import { asStranger, gateway, Refusal, show } from "../testing";
import SignIn from "./sign-in";

const PAIR = { access_token: "a", expires_in: 900, refresh_token: "r", token_type: "Bearer", user: "u1" };

beforeEach(() => {
  asStranger();
  history.replaceState(null, "", "/sign-in");
});
afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

async function enter() {
  await userEvent.type(screen.getByLabelText("E-mail"), "ann@example.org");
  await userEvent.type(screen.getByLabelText("Password"), "wrong wrong wrong");
  await userEvent.click(screen.getByRole("button", { name: "Sign in" }));
}

test("wrong credentials are said, and what was typed stays", async () => {
  const wrong = new Refusal(401, "wrong_credentials", {}, "the address or the password is wrong");
  gateway({ "POST /auth/login": wrong, "GET /auth/oidc": [] });
  show(<SignIn />);
  await enter();
  expect((await screen.findByRole("alert")).textContent).toContain("the password is wrong");
  expect((screen.getByLabelText("E-mail") as HTMLInputElement).value).toBe("ann@example.org");
  expect(sessionState().status).toBe("out");
});

test("a throttle holds the button as long as the gateway says, and no longer", async () => {
  const asked = gateway({
    "POST /auth/login": new Refusal(429, "too_many", { retry_after_s: 1 }),
    "GET /auth/oidc": [],
  });
  show(<SignIn />);
  await enter();
  const button = await screen.findByRole("button", { name: "Try again in 1 s" });
  expect((button as HTMLButtonElement).disabled).toBe(true);
  await userEvent.keyboard("{Enter}");
  expect(asked.filter((one) => one.route === "POST /auth/login")).toHaveLength(1);
  await waitFor(() => screen.getByRole("button", { name: "Sign in" }), { timeout: 2_500 });
});

test("a second factor is asked for, and a recovery code is as good", async () => {
  const asked = gateway({
    "POST /auth/login": (body: unknown) =>
      (body as { code?: string }).code ? PAIR : new Refusal(401, "second_factor_required"),
    "GET /auth/oidc": [],
  });
  show(<SignIn />);
  await enter();
  await userEvent.type(await screen.findByLabelText("Code of your second factor"), "ab12-cd34-ef56-7890");
  await userEvent.click(screen.getByRole("button", { name: "Go on" }));
  await waitFor(() => expect(sessionState()).toMatchObject({ status: "in", user: "u1" }));
  expect(asked.at(-1)?.body ?? asked.findLast((one) => one.route === "POST /auth/login")?.body).toMatchObject({
    code: "ab12-cd34-ef56-7890",
  });
});

test("who was signed out by an ended session is told so", async () => {
  gateway({ "GET /auth/oidc": [] });
  asStranger(true);
  show(<SignIn />);
  expect(screen.getByRole("status").textContent).toContain("Your session has ended");
});

test("what a provider brings back is taken once, out of the address, with a second factor after it", async () => {
  history.replaceState(null, "", "/sign-in#oidc=google&code=c1&state=s1");
  const asked = gateway({
    "GET /auth/oidc": ["google"],
    "GET /auth/oidc/google/callback": (_: unknown, url: URL) =>
      url.searchParams.get("code") === "c1" && url.searchParams.get("state") === "s1"
        ? new Refusal(401, "second_factor_required", { ticket: "t1" })
        : new Refusal(400, "malformed"),
    "POST /auth/oidc/finish": PAIR,
  });
  show(<SignIn />);
  await userEvent.type(await screen.findByLabelText("Code of your second factor"), "123456");
  expect(location.hash).toBe("");
  await userEvent.click(screen.getByRole("button", { name: "Go on" }));
  await waitFor(() => expect(sessionState().status).toBe("in"));
  expect(asked.find((one) => one.route === "POST /auth/oidc/finish")?.body).toEqual({ ticket: "t1", code: "123456" });
  expect(asked.filter((one) => one.route.includes("callback"))).toHaveLength(1);
});
