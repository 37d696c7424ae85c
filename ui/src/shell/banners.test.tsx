import { cleanup, screen } from "@testing-library/react";
import { afterEach, expect, it } from "vitest";
import { asStranger, asUser, gateway, ME, show } from "../pages/testing";
import { Banners } from "./banners";

afterEach(cleanup);

const ACCOUNT = { id: "a1", name: "Paper", status: "open" };
const kill = (scope: object, engaged = true) => ({ engaged, mode: "block", reason: "drill", by: "risk", scope });

function stopped(...kills: object[]) {
  asUser();
  gateway({
    "GET /users/me": { ...ME, permissions: ["risk:read"] },
    "GET /accounts": [ACCOUNT],
    "GET /instruments": [],
    "GET /risk/stopped": { kills, tripped: [] },
  });
  show(<Banners />);
}

it("says whatever page is open that the firm or the account is stopped", async () => {
  stopped(kill({ kind: "firm" }), kill({ kind: "account", account: "a1" }), kill({ kind: "account", account: "a2" }));
  const said = (await screen.findAllByRole("alert")).map((banner) => banner.textContent);
  expect(said).toEqual([
    "The firm is stopped.No order passes. drill, risk",
    "Account Paper is stopped.No order passes. drill, risk",
  ]);
});

it("says nothing of what was released, or of other accounts", async () => {
  stopped(
    kill({ kind: "firm" }, false),
    kill({ kind: "account", account: "a2" }),
    kill({ kind: "account", account: "a1" }),
  );
  expect(await screen.findAllByRole("alert")).toHaveLength(1);
});

it("tells a session that the gateway ended, with the way on", () => {
  asStranger(true);
  history.replaceState(null, "", "/portfolio");
  show(<Banners />);
  expect(screen.getByRole("link").getAttribute("href")).toBe("/sign-in?next=%2Fportfolio");
});
