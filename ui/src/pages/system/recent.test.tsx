import { cleanup, render, screen, waitFor } from "@testing-library/react";
import { afterEach, describe, expect, it, test, vi } from "vitest";
import { asUser, gateway, show } from "../testing";
import { followed, Recent, SAMPLES_MAX, Series } from "./recent";

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

describe("followed", () => {
  it("keeps the newest, each told once", () => {
    let samples = followed([], 0, 1);
    expect(followed(samples, 0, 1)).toBe(samples);
    for (let second = 1; second <= SAMPLES_MAX + 5; second += 1) samples = followed(samples, second * 1_000, second);
    expect(samples).toHaveLength(SAMPLES_MAX);
    expect(samples.at(-1)?.value).toBe(SAMPLES_MAX + 5);
  });

  it("begins anew after a silence, and where nothing was measured", () => {
    const samples = followed([{ at: 0, value: 1 }], 1_000, 2);
    expect(followed(samples, 7_000, 3)).toEqual([{ at: 7_000, value: 3 }]);
    expect(followed(samples, 2_000, null)).toEqual([]);
  });
});

test("a series is a line, and says the same in words", () => {
  const format = (value: number) => `${value} µs`;
  const series = (value: number | null, at: number) => <Series name="p50" value={value} at={at} format={format} />;
  const { rerender, container } = render(series(null, 0));
  expect(screen.getByRole("img", { name: "p50: not measured yet" })).toBeTruthy();
  for (const [second, value] of [12, 40, 13].entries()) rerender(series(value, (second + 1) * 1_000));
  expect(screen.getByRole("img", { name: "p50: now 13 µs; 12 µs to 40 µs in 2 s" })).toBeTruthy();
  expect(container.querySelector("path")?.getAttribute("d")).toBe("M0.0 39.0L150.0 1.0L300.0 37.6");
});

test("it follows the path of an order in the last minute, whatever window is looked at", async () => {
  asUser();
  const figures = (name: string, count: number) => ({ name, count, p50_ns: 12_400, p99_ns: 3_100_000 });
  const windows = new Set<string | null>();
  gateway({
    "GET /system/latency": (_: unknown, url: URL) => {
      windows.add(url.searchParams.get("window"));
      return { figures: [figures("fill", 9), figures("order", 3)] };
    },
  });
  show(<Recent rate={1_234.4} at={1} />);
  await waitFor(() => expect(screen.getByRole("img", { name: /^Order, p50 of a minute: now 12.4 µs/ })).toBeTruthy());
  expect(screen.getByRole("img", { name: /^Order, p99 of a minute: now 3.10 ms/ })).toBeTruthy();
  expect(screen.getByRole("img", { name: /^Events of the feed a second: now 1,234/ })).toBeTruthy();
  expect([...windows]).toEqual(["minute"]);
});
