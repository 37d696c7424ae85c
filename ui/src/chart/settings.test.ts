import { afterEach, expect, test } from "vitest";
import { readChoice } from "./choice";
import { fullTitleOf, NAMES, NORMAL, numberIn, paramsOf, readSettings } from "./settings";

afterEach(() => localStorage.clear());

test("each indicator is named with its numbers", () => {
  const titles = ["SMA 20", "EMA 50", "Bollinger 20, 2", "VWAP of the day", "RSI 14", "MACD 12, 26, 9"];
  expect(NAMES.map((name) => fullTitleOf(name, NORMAL))).toEqual(titles);
});

test.each([
  ["length", "1", 1],
  ["length", " 500 ", 500],
  ["length", "", null],
  ["length", "0", null],
  ["length", "501", null],
  ["length", "20.5", null],
  ["length", "-3", null],
  ["length", "long", null],
  ["length", "Infinity", null],
  ["width", "0.1", 0.1],
  ["width", "2.5", 2.5],
  ["width", "10", 10],
  ["width", "0.05", null],
  ["width", "2.25", null],
  ["width", "10.1", null],
])("as %s %j is %s", (key, text, expected) => {
  const param = paramsOf("bollinger")[key];
  expect(param && numberIn(text, param)).toBe(expected);
});

test("numbers that were kept are read, and others are the usual ones", () => {
  const kept = {
    sma: { length: 50 },
    bollinger: { length: 501, width: 2.5 },
    macd: { slow: "30", signal: 5, other: 1 },
  };
  expect(readSettings(kept)).toEqual({
    ...NORMAL,
    sma: { length: 50 },
    bollinger: { length: 20, width: 2.5 },
    macd: { fast: 12, slow: 26, signal: 5 },
  });
});

test.each([
  ["nothing", undefined],
  ["null", "null"],
  ["a number", "7"],
  ["a text", '"sma"'],
  ["a list", '[{"resolution":"1h"}]'],
  ["no JSON", "{"],
  ["parts that are none", '{"resolution":1,"indicators":7,"settings":"rsi"}'],
  ["a text of names", '{"indicators":"sma rsi"}'],
  [
    "names of nothing",
    '{"indicators":["constructor",{},null],"resolution":"toString","settings":{"__proto__":{"sma":5}}}',
  ],
  ["lengths of other things", '{"settings":{"sma":[1,2,3],"ema":"abc","rsi":{"length":[7]},"macd":null}}'],
])("the choice is the usual one where the browser kept %s", (_, text) => {
  if (text !== undefined) localStorage.setItem("tidegate.chart", text);
  expect(readChoice()).toEqual({ resolution: "1m", indicators: [], settings: NORMAL });
});

test("a choice of before there were numbers is kept", () => {
  localStorage.setItem("tidegate.chart", '{"resolution":"1h","indicators":["rsi","sma","gone"]}');
  expect(readChoice()).toEqual({ resolution: "1h", indicators: ["sma", "rsi"], settings: NORMAL });
});
