import { cleanup, screen, waitFor } from "@testing-library/react";
import { afterEach, expect, test, vi } from "vitest";
import { change } from "../../live/day";
import type { Instrument } from "../../shell/user";
import { gateway, show } from "../testing";
import { Watch } from "./watch";

afterEach(cleanup);

test("the wall asks for the history of the symbols in sight only", async () => {
  vi.stubGlobal("matchMedia", () => ({ matches: false }));
  vi.spyOn(Element.prototype, "clientHeight", "get").mockReturnValue(260);
  vi.spyOn(Element.prototype, "clientWidth", "get").mockReturnValue(300);
  const asked = gateway({});
  const instruments = Array.from({ length: 500 }, (_, number) => ({ symbol: `S${number}` }) as Instrument);
  show(<Watch instruments={instruments} chosen="S1" />);
  expect((await screen.findByRole("link", { name: "S1" })).getAttribute("aria-current")).toBe("page");
  await waitFor(() => expect(asked.length).toBeGreaterThan(0));
  expect(asked.length).toBeLessThan(40);
});

test("what a price has moved is exact", () => {
  // The float nearest to 1.005 is less than it, and would be rounded down.
  expect(change("101.005", "100")).toEqual({ by: "1.005", percent: "1.01" });
  expect(change("98.995", "100")).toEqual({ by: "-1.005", percent: "-1.01" });
  expect(change("1", "0")).toBeNull();
});
