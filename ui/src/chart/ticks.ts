// The marks on the axis of time, in the user's zone: the library's own are in UTC.

import { TickMarkType, type Time } from "lightweight-charts";
import { type TickPart, tick } from "../format/time";

const PARTS: Record<TickMarkType, TickPart> = {
  [TickMarkType.Year]: "year",
  [TickMarkType.Month]: "month",
  [TickMarkType.DayOfMonth]: "day",
  [TickMarkType.Time]: "minute",
  [TickMarkType.TimeWithSeconds]: "second",
};

/** Options of an axis whose bars may be days. With seconds, for without them two marks of one minute say the same. */
export function tickMarks(isDays: boolean) {
  return {
    timeVisible: true,
    secondsVisible: true,
    // Room for the longest mark, "23 Nov 19:00".
    tickMarkMaxCharacterLength: 12,
    tickMarkFormatter: (time: Time, type: TickMarkType) => tick(Number(time) * 1000, PARTS[type], isDays),
  };
}
