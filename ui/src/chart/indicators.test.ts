import { describe, expect, it } from "vitest";
import { bollinger, type Candle, ema, macd, rsi, sma, vwap } from "./indicators";

function close(line: (number | null)[], expected: (number | null)[]) {
  expect(line.length).toBe(expected.length);
  for (const [at, value] of expected.entries()) {
    if (value === null) expect(line[at], `at ${at}`).toBeNull();
    else expect(line[at], `at ${at}`).toBeCloseTo(value, 6);
  }
}

describe("indicators against values worked out by hand", () => {
  it("SMA: the mean of the last three", () => {
    close(sma([1, 2, 3, 4, 8], 3), [null, null, 2, 3, 5]);
    close(sma([1, 2], 3), [null, null]);
  });

  it("EMA: begins with the mean, then weighs the newest by a half", () => {
    // 2; 2 + (6 − 2) / 2 = 4; 4 + (4 − 4) / 2 = 4; 4 + (0 − 4) / 2 = 2
    close(ema([1, 2, 3, 6, 4, 0], 3), [null, null, 2, 4, 4, 2]);
    close(ema([null, 2, 4, 6], 2), [null, null, 3, 5]);
  });

  it("Bollinger: two deviations of the population", () => {
    // 2, 4, 4, 4, 5, 5, 7, 9 has mean 5 and deviation 2.
    const bands = bollinger([2, 4, 4, 4, 5, 5, 7, 9], 8, 2);
    expect(bands.middle.at(-1)).toBe(5);
    expect(bands.upper.at(-1)).toBe(9);
    expect(bands.lower.at(-1)).toBe(1);
    expect(bands.upper[6]).toBeNull();
  });

  it("VWAP: begins anew with the day", () => {
    const candle = (time: number, price: number, volume: number): Candle => ({
      time,
      open: price,
      high: price,
      low: price,
      close: price,
      volume,
      vwap: price,
    });
    const candles = [candle(0, 10, 1), candle(60, 20, 3), candle(86_400, 30, 2), candle(86_460, 0, 0)];
    const day = (time: number) => String(Math.floor(time / 86_400));
    close(vwap(candles, day), [10, 17.5, 30, 30]);
    close(vwap([candle(0, 10, 0)], day), [null]);
  });

  it("RSI: Wilder's means", () => {
    // Changes +2, −1, +1: means of the first two 1 and 0.5; then (1 + 1) / 2 = 1 and 0.5 / 2 = 0.25.
    close(rsi([10, 12, 11, 12], 2), [null, null, 100 * (1 / 1.5), 80]);
    close(rsi([5, 5, 5], 2), [null, null, 50]);
    close(rsi([1, 2, 3], 2), [null, null, 100]);
  });

  it("MACD: a quick mean less a calm one, and its own mean", () => {
    // Means of 2: 1.5, 2.5, 3.5, 4.5; of 3: 2, 3, 4. They lie 0.5 apart, and so does the mean of that.
    const one = macd([1, 2, 3, 4, 5], 2, 3, 2);
    close(one.macd, [null, null, 0.5, 0.5, 0.5]);
    close(one.signal, [null, null, null, 0.5, 0.5]);
    close(one.bars, [null, null, null, 0, 0]);
  });
});
