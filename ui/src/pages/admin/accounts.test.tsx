import { cleanup, screen } from "@testing-library/react";
import { afterEach, test, vi } from "vitest";
import { asUser, gateway, show } from "../testing";
import { Accounts } from "./accounts";

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

test("an account is told with every currency that it has", async () => {
  asUser();
  vi.stubGlobal("matchMedia", () => ({ matches: false }));
  // jsdom lays nothing out: a grid draws the rows that it has room for.
  vi.spyOn(HTMLElement.prototype, "clientHeight", "get").mockReturnValue(400);
  vi.spyOn(HTMLElement.prototype, "clientWidth", "get").mockReturnValue(800);
  gateway({
    "GET /accounts": [
      {
        id: "a1",
        name: "Two",
        owner: "u2",
        kind: "paper",
        status: "open",
        created_at: 0,
        balances: [
          { currency: "USD", cash: "1000.5", realised: "1" },
          { currency: "EUR", cash: "-20", realised: "0" },
        ],
      },
    ],
  });
  show(<Accounts />);
  await screen.findByText("1,000.50 USD · −20.00 EUR");
  screen.getByText("1.00 USD · 0.00 EUR");
});
