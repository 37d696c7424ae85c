import { expect, test } from "vitest";
import { type Fill, fillMarks } from "./fills";
import type { Candle } from "./indicators";

const candles = [60, 120, 240].map((time) => ({ time }) as Candle);
const fill = (time: number, qty: string, price: number, isBuy = true): Fill => ({ time, isBuy, qty, price });

test("executions of one bar and side are one mark at their average price", () => {
  const fills = [
    fill(130, "30", 11),
    fill(61, "0.1", 5),
    fill(125, "10", 7),
    fill(130, "4", 9, false),
    fill(60, "0.2", 5),
  ];
  expect(fillMarks(fills, candles)).toEqual([
    { time: 60, isBuy: true, price: 5, text: "0.3" },
    { time: 120, isBuy: true, price: 10, text: "40" },
    { time: 120, isBuy: false, price: 9, text: "4" },
  ]);
});

test("an execution is of the bar before it where its interval has none, and of none before the first", () => {
  expect(fillMarks([fill(59, "1", 1), fill(200, "1", 1), fill(900, "1", 1)], candles).map((mark) => mark.time)).toEqual(
    [120, 240],
  );
  expect(fillMarks([fill(59, "1", 1)], [])).toEqual([]);
});

test("many marks have no text", () => {
  const bars = Array.from({ length: 41 }, (_, at) => ({ time: at * 60 }) as Candle);
  const marks = fillMarks(
    bars.map((bar) => fill(bar.time, "1", 1)),
    bars,
  );
  expect(marks.map((mark) => mark.text)).toEqual(marks.map(() => ""));
  expect(fillMarks([fill(0, "1", 1)], bars)[0]?.text).toBe("1");
});
