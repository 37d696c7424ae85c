import { afterEach, describe, expect, it, vi } from "vitest";
import { barTime, dayOf, fromLocalField, setZone, subscribeZone, tick } from "./time";

afterEach(() => setZone(undefined));

describe("the user's zone", () => {
  it("gives a time its day, to either side of UTC", () => {
    const evening = "2026-11-23T23:30:00.123456789Z";
    setZone("America/New_York");
    expect(dayOf(evening)).toBe("2026-11-23");
    expect(dayOf("2026-11-23T04:59:59Z")).toBe("2026-11-22");
    setZone("Asia/Tokyo");
    expect(dayOf(evening)).toBe("2026-11-24");
    expect(dayOf(evening, "UTC")).toBe("2026-11-23");
  });

  it("is told to who follows it, once for each change", () => {
    const told = vi.fn();
    const stop = subscribeZone(told);
    setZone("Asia/Tokyo");
    setZone("Asia/Tokyo");
    stop();
    setZone("UTC");
    expect(told).toHaveBeenCalledTimes(1);
  });
});

describe("fromLocalField", () => {
  it.each([
    ["America/New_York", "2026-11-23T09:30", "2026-11-23T14:30:00.000Z"],
    ["Asia/Tokyo", "2026-11-23T09:30", "2026-11-23T00:30:00.000Z"],
    ["Asia/Kolkata", "2026-11-23T02:00:30", "2026-11-22T20:30:30.000Z"],
    // The last hour before clocks are put forward, and the first after it.
    ["America/New_York", "2026-03-08T01:59", "2026-03-08T06:59:00.000Z"],
    ["America/New_York", "2026-03-08T03:00", "2026-03-08T07:00:00.000Z"],
    // It is left out: half an hour after two is half past three.
    ["America/New_York", "2026-03-08T02:30", "2026-03-08T07:30:00.000Z"],
    // It comes twice: the first of them.
    ["America/New_York", "2026-11-01T01:30", "2026-11-01T05:30:00.000Z"],
    ["America/New_York", "2026-11-01T02:30", "2026-11-01T07:30:00.000Z"],
    ["Europe/Berlin", "2026-10-25T02:30", "2026-10-25T00:30:00.000Z"],
    ["Australia/Sydney", "2026-10-04T03:30", "2026-10-03T16:30:00.000Z"],
  ])("in %s %s is %s", (zone, text, expected) => {
    expect(new Date(fromLocalField(text, zone)).toISOString()).toBe(expected);
    setZone(zone);
    expect(new Date(fromLocalField(text)).toISOString()).toBe(expected);
  });

  it("reads the machine's zone as JavaScript does, and no number from no time", () => {
    expect(fromLocalField("2030-01-02T03:04")).toBe(new Date("2030-01-02T03:04").getTime());
    expect(fromLocalField("")).toBeNaN();
  });
});

describe("times of charts", () => {
  const midnight = Date.UTC(2026, 10, 23);

  it("leaves bars of days their day in UTC", () => {
    for (const zone of ["America/New_York", "Asia/Tokyo"]) {
      setZone(zone);
      expect(tick(midnight, "day", true)).toMatch(/23/);
      expect(barTime(midnight, true)).toMatch(/23/);
    }
  });

  it("marks others in the user's zone, with the time where its day does not begin there", () => {
    setZone("America/New_York");
    expect(tick(midnight, "minute", false)).toBe("19:00");
    expect(tick(midnight, "day", false)).toMatch(/22.* 19:00$/);
    expect(barTime(midnight, false)).toMatch(/22.*19:00:00/);
    setZone("Asia/Tokyo");
    expect(tick(midnight, "second", false)).toBe("09:00:00");
    setZone("UTC");
    expect(tick(midnight, "day", false)).not.toMatch(/:/);
  });
});
