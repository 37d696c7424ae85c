import { act, cleanup, render, screen } from "@testing-library/react";
import { memo } from "react";
import { afterEach, expect, test } from "vitest";
import { useZone } from "../shell/user";
import { dateTime, setZone } from "./time";

afterEach(() => {
  cleanup();
  setZone(undefined);
});

const Kept = memo(function Kept() {
  useZone();
  return <p data-testid="time">{dateTime("2026-11-23T12:00:00Z")}</p>;
});

test("what is kept between draws follows the zone", () => {
  setZone("UTC");
  render(<Kept />);
  const said = () => screen.getByTestId("time").textContent;
  expect(said()).toMatch(/12:00:00/);
  act(() => setZone("Asia/Tokyo"));
  expect(said()).toMatch(/21:00:00/);
});
