import { cleanup, screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Instrument } from "../../shell/user";
import { allowDialogs, asUser, gateway, Refusal, show } from "../testing";
import { linePath } from "./spark";
import { useWatchlists, WatchBar, WatchStar } from "./watch";

const INSTRUMENTS = ["TIDE", "WAVE"].map((symbol) => ({ symbol }) as Instrument);
const LIST = { id: "w1", name: "Mine", symbols: ["TIDE"], created_at: 0 };

function Bar() {
  const watch = useWatchlists();
  return (
    <>
      <WatchBar watch={watch} instruments={INSTRUMENTS} />
      {INSTRUMENTS.map((one) => (
        <WatchStar key={one.symbol} symbol={one.symbol} />
      ))}
    </>
  );
}

beforeEach(() => {
  allowDialogs();
  asUser();
});
afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

const star = (symbol: string) => screen.findByRole("button", { name: new RegExp(`^${symbol} in`) });

test("the first star makes a list", async () => {
  const asked = gateway({
    "GET /watchlists": [],
    "POST /watchlists": (body: unknown) => ({ ...LIST, ...(body as object) }),
  });
  show(<Bar />);
  await waitFor(async () => expect(((await star("WAVE")) as HTMLButtonElement).disabled).toBe(false));
  await userEvent.click(await star("WAVE"));
  await waitFor(async () => expect((await star("WAVE")).getAttribute("aria-pressed")).toBe("true"));
  expect(asked.at(-1)).toEqual({ route: "POST /watchlists", body: { name: "Watched", symbols: ["WAVE"] } });
});

test("a list is changed whole, and shows what the gateway answered", async () => {
  const asked = gateway({
    "GET /watchlists": [LIST],
    "PUT /watchlists/w1": (body: unknown) => ({ ...LIST, ...(body as object) }),
  });
  show(<Bar />);
  await userEvent.click(await screen.findByRole("button", { name: "Mine 1" }));
  const add = screen.getByLabelText("Symbol to add");
  await userEvent.type(add, "tide");
  screen.getByText("It is in the list.");
  await userEvent.clear(add);
  await userEvent.type(add, "wave");
  await userEvent.click(screen.getByRole("button", { name: "Add" }));
  await screen.findByRole("button", { name: "Mine 2" });
  expect(asked.at(-1)?.body).toEqual({ name: "Mine", symbols: ["TIDE", "WAVE"] });
  await userEvent.click(await star("TIDE"));
  await screen.findByRole("button", { name: "Mine 1" });
  expect(asked.at(-1)?.body).toEqual({ name: "Mine", symbols: ["WAVE"] });
});

test("a refused change leaves the list as it is", async () => {
  gateway({ "GET /watchlists": [LIST], "PUT /watchlists/w1": new Refusal(503, "unavailable") });
  show(<Bar />);
  await screen.findByRole("button", { name: "Mine 1" });
  await userEvent.click(await star("WAVE"));
  await waitFor(async () => expect(((await star("WAVE")) as HTMLButtonElement).disabled).toBe(false));
  expect((await star("WAVE")).getAttribute("aria-pressed")).toBe("false");
});

test("a line goes from edge to edge, and a flat one does not divide by nothing", () => {
  expect(linePath([1, 3, 2], 100, 20)).toBe("M0.0 19.0L50.0 1.0L100.0 10.0");
  expect(linePath([5, 5], 10, 20)).toBe("M0.0 19.0L10.0 19.0");
  expect(linePath([5], 10, 20)).toBe("");
});
