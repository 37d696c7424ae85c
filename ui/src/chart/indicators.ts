// Indicators over bars, oldest first. Each gives one value a bar, `null` until there are enough bars. Floating point: they are drawn,
// nobody is paid by them.

export interface Candle {
  /** When the bar begins, in seconds since the Unix epoch. */
  time: number;
  open: number;
  high: number;
  low: number;
  close: number;
  volume: number;
  vwap: number;
}

export type Line = (number | null)[];

/** The mean of the last `length` values. */
export function sma(values: number[], length: number): Line {
  let sum = 0;
  return values.map((value, at) => {
    sum += value - (at >= length ? (values[at - length] ?? 0) : 0);
    return at + 1 < length ? null : sum / length;
  });
}

/** The exponential mean: it begins with the mean of the first `length` values, and then weighs the newest by 2 / (length + 1). */
export function ema(values: Line, length: number): Line {
  const weight = 2 / (length + 1);
  let mean: number | null = null;
  let sum = 0;
  let count = 0;
  return values.map((value) => {
    if (value === null) return null;
    count += 1;
    if (mean === null) {
      sum += value;
      if (count === length) mean = sum / length;
    } else {
      mean += weight * (value - mean);
    }
    return mean;
  });
}

/** The mean, and `width` standard deviations (of the whole population) above and below it. */
export function bollinger(values: number[], length = 20, width = 2): { middle: Line; upper: Line; lower: Line } {
  const middle = sma(values, length);
  const off = middle.map((mean, at) => {
    if (mean === null) return null;
    const squares = values.slice(at + 1 - length, at + 1).reduce((sum, value) => sum + (value - mean) ** 2, 0);
    return width * Math.sqrt(squares / length);
  });
  const apart = (sign: number) => middle.map((mean, at) => (mean === null ? null : mean + sign * (off[at] ?? 0)));
  return { middle, upper: apart(1), lower: apart(-1) };
}

/** The average price by volume since the day began; `dayOf` names the day of a time. */
export function vwap(candles: readonly Candle[], dayOf: (time: number) => string): Line {
  let day = "";
  let paid = 0;
  let traded = 0;
  return candles.map((candle) => {
    const now = dayOf(candle.time);
    if (now !== day) [day, paid, traded] = [now, 0, 0];
    paid += candle.vwap * candle.volume;
    traded += candle.volume;
    return traded > 0 ? paid / traded : null;
  });
}

/** Relative strength by Wilder: 0 to 100. Where nothing moved it is 50. */
export function rsi(values: number[], length = 14): Line {
  let up = 0;
  let down = 0;
  return values.map((value, at) => {
    if (at === 0) return null;
    const change = value - (values[at - 1] ?? value);
    const [gain, loss] = [Math.max(change, 0), Math.max(-change, 0)];
    // The first means are plain ones, of `length` changes; from there each keeps all but one part of itself.
    const kept = at <= length ? 1 : 1 - 1 / length;
    up = up * kept + gain / length;
    down = down * kept + loss / length;
    if (at < length) return null;
    return up + down === 0 ? 50 : (100 * up) / (up + down);
  });
}

/** A fast exponential mean less a slow one, the mean of that, and what lies between. */
export function macd(values: number[], fast = 12, slow = 26, length = 9): { macd: Line; signal: Line; bars: Line } {
  const [quick, calm] = [ema(values, fast), ema(values, slow)];
  const less = (a: Line, b: Line) =>
    a.map((value, at) => {
      const other = b[at];
      return value === null || other === null || other === undefined ? null : value - other;
    });
  const line = less(quick, calm);
  const signal = ema(line, length);
  return { macd: line, signal, bars: less(line, signal) };
}
