import { describe, expect, it, test } from "vitest";
import { add, compare, multiply, subtract } from "../../format/number";
import type { Execution } from "../../live/account";
import { type Held, roundTrips, summaries, type Trip } from "./trips";

const PLAIN = { id: "", order: "o", type: "trade", symbol: "TIDE", currency: "USD", liquidity: "taker", why: {} };

/** Executions, oldest first as they are written, newest first as they are told: `10@100` is bought, `-10@100` sold. */
function history(...texts: (string | Partial<Execution>)[]): Execution[] {
  const rows = texts.map((given, at) => {
    const seq = `${at + 1}:0`;
    const common = { ...PLAIN, id: seq, seq, fee: "0", at: new Date(Date.UTC(2026, 10, 23, 10, at)).toISOString() };
    if (typeof given !== "string") return { ...common, ...given } as Execution;
    const [, sign, qty, price, fee = "0"] = /^(-?)([\d.]+)@([\d.]+)(?: (-?[\d.]+))?$/.exec(given) ?? [];
    return { ...common, side: sign ? "sell" : "buy", qty, price, fee } as Execution;
  });
  return rows.reverse();
}

/** What is held after all of it; `bought` and `sold` as an engine has them that put right what was put right. */
function held(rows: readonly Execution[], positions: [symbol: string, bought: string, sold: string][]): Held {
  return {
    as_of: rows[0]?.seq ?? "0:0",
    positions: positions.map(([symbol, bought, sold]) => ({ symbol, bought, sold, qty: subtract(bought, sold) })),
  };
}

const one = () => "1";
const trips = (rows: Execution[], bought: string, sold: string) =>
  roundTrips(rows, held(rows, [["TIDE", bought, sold]]), one);

describe("roundTrips", () => {
  it("takes partial entries and exits for one trip, exactly", () => {
    const rows = history("10@100.1 0.1", "5@100.4 0.05", "-5@101 0.02", "-10@102.3 0.03");
    const [trip] = trips(rows, "15", "15");
    expect(trip).toMatchObject({
      state: "closed",
      side: "buy",
      qty: "15",
      entry: "100.20000000",
      exit: "101.86666667",
      gross: "25.0",
      fees: "0.20",
      net: "24.80",
      percent: "1.65",
      duration_ms: 180_000,
    });
    expect(trip?.entered?.seq).toBe("1:0");
    expect(trip?.left?.seq).toBe("4:0");
  });

  it("gains by what falls, if short", () => {
    expect(trips(history("-10@100", "10@90"), "10", "10")[0]).toMatchObject({
      side: "sell",
      net: "100",
      percent: "10.00",
    });
  });

  it("ends one trip and begins the next where a trade reverses, and shares its fee between them", () => {
    const found = trips(history("10@100 1", "-30@110 3", "20@105 2"), "30", "30");
    expect(found).toMatchObject([
      { side: "sell", qty: "20", gross: "100", fees: "4.00000000", net: "96.00000000" },
      { side: "buy", qty: "10", gross: "100", fees: "2.00000000", net: "98.00000000" },
    ]);
    expect(found[0]?.entered).toBe(found[1]?.left);
  });

  it("tells no profit of a trip that is open", () => {
    const [open, closed] = trips(history("1@10", "-1@12", "3@10 0.5", "-1@12 0.5"), "4", "2");
    expect(closed).toMatchObject({ state: "closed", net: "2" });
    expect(open).toMatchObject({
      state: "open",
      left: null,
      qty: "3",
      fees: "1.0",
      gross: null,
      net: null,
      percent: null,
    });
  });

  it("counts the units of the underlying, and tells no profit where they are not known", () => {
    const rows = history("1@5000", "-1@5010");
    const of = (multiplier: string | undefined) => roundTrips(rows, held(rows, [["TIDE", "1", "1"]]), () => multiplier);
    expect(of("50")[0]).toMatchObject({ gross: "500", percent: "0.20" });
    expect(of(undefined)[0]).toMatchObject({ state: "closed", gross: null, net: null, percent: null });
  });

  it("says nothing of a trip whose entry is not loaded", () => {
    const rows = history("10@100", "-4@105", "-6@106", "2@100", "-2@101").slice(0, 4);
    const [sure, cut] = trips(rows, "12", "12");
    expect(sure).toMatchObject({ state: "closed", net: "2" });
    expect(cut).toMatchObject({
      state: "not loaded",
      side: "buy",
      entered: null,
      qty: null,
      entry: null,
      exit: null,
      gross: null,
      fees: null,
      net: null,
      percent: null,
      duration_ms: null,
    });
    expect(cut?.left?.seq).toBe("3:0");
  });

  it("begins from what was held when it was told, and goes on with what came since", () => {
    const rows = history("10@100", "-10@101", "5@100", "-5@103");
    const before = { as_of: "3:0", positions: [{ symbol: "TIDE", bought: "15", sold: "10", qty: "5" }] };
    expect(roundTrips(rows, before, one).map((trip) => trip.net)).toEqual(["15", "10"]);
  });

  it("takes no kind for a trade that is none", () => {
    const rows = history("10@100", { type: "dividend", side: "buy", qty: "7", price: "1" }, "-10@101");
    expect(trips(rows, "10", "10").map((trip) => trip.net)).toEqual(["10"]);
  });

  it("leaves out what was taken back, as if it had not been", () => {
    const rows = history(
      "10@100 1",
      { side: "buy", qty: "5", price: "120", fee: "1", order: "p" },
      { type: "trade_cancel", side: "buy", qty: "5", price: "120", order: "p" },
      "-10@101 1",
    );
    expect(trips(rows, "10", "10")).toMatchObject([{ state: "closed", qty: "10", gross: "10", fees: "2" }]);
  });

  it("books what was put right in the place of what it was", () => {
    const rows = history("10@100 1", "-10@101 1", {
      type: "trade_correct",
      side: "buy",
      qty: "10",
      price: "99",
      fee: "2",
    });
    const [trip] = trips(rows, "10", "10");
    expect(trip).toMatchObject({ state: "closed", gross: "20", fees: "3", duration_ms: 60_000 });
  });

  it("says nothing where a correction may be of either of two, nor of what is before it", () => {
    const rows = history(
      { side: "buy", qty: "1", price: "90", order: "old" },
      { side: "sell", qty: "1", price: "95", order: "old" },
      "10@100",
      "5@101",
      { type: "trade_correct", side: "buy", qty: "5", price: "99" },
      { side: "sell", qty: "15", price: "100", order: "out" },
      { side: "buy", qty: "1", price: "90", order: "new" },
      { side: "sell", qty: "1", price: "95", order: "new" },
    );
    const found = trips(rows, "17", "17");
    expect(found.map((trip) => [trip.state, trip.net])).toEqual([
      ["closed", "5"],
      ["unclear", null],
    ]);
    expect(found[1]).toMatchObject({ side: null, entered: null, qty: null, fees: null, entry: null, gross: null });
    expect(found[1]?.left?.seq).toBe("6:0");
  });

  it("is not sure of a correction while older executions of the symbol are not loaded", () => {
    const rows = history("9@100", "10@100", "-19@101", { type: "trade_correct", side: "buy", qty: "9", price: "99" });
    expect(trips(rows.slice(0, 3), "19", "19")).toMatchObject([{ state: "unclear", net: null }]);
    const all = history("9@100", "-9@101", { type: "trade_correct", side: "buy", qty: "9", price: "99" });
    expect(trips(all, "9", "9")).toMatchObject([{ state: "closed", net: "18" }]);
  });

  it("waits for the next position where one that came since changes an older one", () => {
    const rows = history("10@100", "-10@101", { type: "trade_cancel", side: "sell", qty: "10", price: "101" });
    const before = { as_of: "2:0", positions: [{ symbol: "TIDE", bought: "10", sold: "10", qty: "0" }] };
    expect(roundTrips(rows, before, one)).toMatchObject([{ state: "closed", net: "10" }]);
  });
});

describe("summaries", () => {
  it("counts what is closed, by currency", () => {
    const net = (value: string | null, currency = "USD") => ({ net: value, currency }) as Trip;
    expect(summaries([net("10"), net("-4"), net("5"), net("0"), net(null), net("1", "EUR")])).toEqual([
      { currency: "EUR", closed: 1, winners: "100.00", win: "1.00000000", loss: null, factor: null, net: "1" },
      {
        currency: "USD",
        closed: 4,
        winners: "50.00",
        win: "7.50000000",
        loss: "-4.00000000",
        factor: "3.75",
        net: "11",
      },
    ]);
  });
});

/** Random numbers that a seed replays (mulberry32). */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

interface Unit {
  seq: string;
  /** 1 or -1. */
  way: number;
  cents: number;
}

interface Naive {
  entered: string;
  left: string;
  cents: number;
  largest: number;
}

/** The naive twin: every execution is so many trades of one unit, and a trip ends at every unit that makes it flat. */
function naive(units: readonly Unit[]): Naive[] {
  const found: Naive[] = [];
  let position = 0;
  let trip: Naive | null = null;
  for (const { seq, way, cents } of units) {
    trip ??= { entered: seq, left: seq, cents: 0, largest: 0 };
    position += way;
    trip.cents -= way * cents;
    trip.left = seq;
    trip.largest = Math.max(trip.largest, Math.abs(position));
    if (position === 0) {
      found.push(trip);
      trip = null;
    }
  }
  return found;
}

const SYMBOLS = ["TIDE", "REEF"];
const MULTIPLIERS: Record<string, string> = { TIDE: "1", REEF: "2.5" };
const RUNS = 100;

/** A history of both symbols that ends flat, with what was bought and sold. */
function generated(next: (below: number) => number): Execution[] {
  const written: Partial<Execution>[] = [];
  const position: Record<string, number> = { TIDE: 0, REEF: 0 };
  const trade = (symbol: string, amount: number) => {
    position[symbol] = (position[symbol] ?? 0) + amount;
    const [qty, price] = [String(Math.abs(amount)), `${90 + next(20)}.${10 + next(90)}`];
    const fee = `${next(4) === 0 ? "-" : ""}0.${1 + next(9)}`;
    written.push({ symbol, side: amount > 0 ? "buy" : "sell", qty, price, fee, order: String(written.length) });
    // Now and then one is told that never was.
    if (next(8) === 0) {
      const falseOne = { symbol, side: "buy" as const, qty: "3", price: "77.70", order: `${written.length} false` };
      written.push(falseOne, { ...falseOne, type: "trade_cancel" });
    }
  };
  for (let step = next(30); step >= 0; step -= 1) trade(SYMBOLS[next(2)] ?? "TIDE", (next(2) ? 1 : -1) * (1 + next(6)));
  for (const symbol of SYMBOLS) if (position[symbol]) trade(symbol, -(position[symbol] ?? 0));
  return history(...written);
}

const cents = (price: string | null | undefined) => Math.round(Number(price) * 100);

/** Executions of a symbol that were not taken back, oldest first. */
function real(rows: readonly Execution[], symbol: string): Execution[] {
  return rows.toReversed().filter((row) => row.symbol === symbol && row.type === "trade" && row.price !== "77.70");
}

test("gross profits of a history that ends flat are cash in less cash out, as the naive twin has them", () => {
  const base = Number(process.env.SEED ?? Date.now() % 1_000_000);
  for (let run = 0; run < RUNS; run += 1) {
    const seed = base + run;
    const said = `SEED=${seed} npx vitest run src/pages/portfolio/trips.test.ts`;
    const next = random(seed);
    const rows = generated(next);
    const sums = (side: string) => (symbol: string) =>
      String(real(rows, symbol).reduce((sum, row) => sum + (row.side === side ? Number(row.qty) : 0), 0));
    const all = held(
      rows,
      SYMBOLS.map((symbol) => [symbol, sums("buy")(symbol), sums("sell")(symbol)]),
    );
    const found = roundTrips(rows, all, (symbol) => MULTIPLIERS[symbol]);
    expect(
      found.every((trip) => trip.state === "closed"),
      said,
    ).toBe(true);
    for (const symbol of SYMBOLS) {
      const executed = real(rows, symbol);
      const paid = executed.reduce((sum, { side, qty, price }) => {
        const value = multiply(multiply(qty, price ?? "0"), MULTIPLIERS[symbol] ?? "1");
        return side === "sell" ? add(sum, value) : subtract(sum, value);
      }, "0");
      const own = found.filter((trip) => trip.symbol === symbol).toReversed();
      const total = (of: "gross" | "fees") => own.reduce((sum, trip) => add(sum, trip[of] ?? "0"), "0");
      const fees = executed.reduce((sum, row) => add(sum, row.fee), "0");
      expect(compare(total("gross"), paid), said).toBe(0);
      expect(compare(total("fees"), fees), said).toBe(0);
      const units = executed.flatMap((row) =>
        Array.from({ length: Number(row.qty) }, () => ({
          seq: row.seq,
          way: row.side === "buy" ? 1 : -1,
          cents: cents(row.price),
        })),
      );
      expect(
        own.map((trip) => ({
          entered: trip.entered?.seq,
          left: trip.left?.seq,
          cents: Math.round((Number(trip.gross) / Number(MULTIPLIERS[symbol])) * 100),
          largest: Number(trip.qty),
        })),
        said,
      ).toEqual(naive(units));
    }
    // However much of it is loaded: what is told of a trip is what all of it says.
    const told = new Map(found.map((trip) => [trip.id, trip]));
    const loaded = rows.slice(0, next(rows.length + 1));
    for (const trip of roundTrips(loaded, all, (symbol) => MULTIPLIERS[symbol])) {
      if (trip.net !== null) expect(trip, said).toEqual(told.get(trip.id));
      else expect(["not loaded", "unclear"], said).toContain(trip.state);
    }
  }
}, 30_000);
