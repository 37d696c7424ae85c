import { act, renderHook } from "@testing-library/react";
import { expect, test, vi } from "vitest";
import { useTrades } from "./market";
import { type Follower, socket } from "./socket";

test("trades begin anew when their numbers do, and the newest is not told twice", () => {
  vi.useFakeTimers();
  let follower: Follower | undefined;
  vi.spyOn(socket, "follow").mockImplementation((_channel, _of, given) => {
    follower = given;
    return () => undefined;
  });
  const { result } = renderHook(() => useTrades("TIDE"));
  const tell = (number: number, time: string) => {
    act(() => {
      follower?.onData({ number, time }, {});
      vi.advanceTimersByTime(2_000);
    });
    return result.current.map((trade) => trade.number);
  };
  tell(7, "2026-11-23T12:00:00Z");
  expect(tell(8, "2026-11-23T12:00:01Z")).toEqual([8, 7]);
  expect(tell(8, "2026-11-23T12:00:01Z")).toEqual([8, 7]);
  expect(tell(1, "2026-11-23T12:05:00Z")).toEqual([1]);
  // As many trades after the next start as before it.
  expect(tell(1, "2026-11-23T12:09:00Z")).toEqual([1]);
  expect(result.current[0]?.time).toBe("2026-11-23T12:09:00Z");
  // After a break of the socket those before may lack some.
  act(() => {
    follower?.onGap?.();
    vi.advanceTimersByTime(2_000);
  });
  expect(tell(620, "2026-11-23T12:10:00Z")).toEqual([620]);
  vi.useRealTimers();
});
