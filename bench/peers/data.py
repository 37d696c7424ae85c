"""Makes the event array that all are measured on: a real recording or a made-up session, repeated in time.

    python data.py SOURCE OUT.npy TIMES

SOURCE is a recording of Binance futures (`.gz`), an event array (`.npy`, `.npz`), or `made-up:ROWS`. After each repetition the
levels that are left are removed, so that the next begins with an empty book.

What is kept are the rows as the receiver saw them, and the exchange has the same at the same time: where its view and ours are
two, each program decides for itself which of them fills an order, and the work is not the same any more.
"""

import sys

import numpy as np
from hftbacktest.data.utils import binancefutures
from hftbacktest.types import event_dtype

EXCHANGE, OURS, BUY, SELL = 1 << 31, 1 << 30, 1 << 29, 1 << 28
DEPTH, TRADE, SNAPSHOT = 1, 2, 4
MILLI = 1_000_000
TICK, LOT = 0.1, 0.001


def made_up(count):
    """A random walk of BTCUSDT: 600 levels a side, changed mostly near the middle, and one row in 20 a trade."""
    random = np.random.default_rng(1)
    rows = np.zeros(count, event_dtype)
    middle = 600_000
    at = 1_700_000_000_000 * MILLI
    books = {BUY: {}, SELL: {}}
    row = 0
    while row < count:
        at += int(random.integers(1, 4)) * MILLI
        seen = at + int(random.integers(1_500_000, 4_500_000))
        middle += int(random.integers(-3, 4))
        if random.random() < 0.25:
            side = BUY if random.random() < 0.5 else SELL
            tick = middle + 1 if side == BUY else middle
            size = round(int(random.integers(1, 2_000)) * LOT, 3)
            rows[row] = (EXCHANGE | OURS | side | TRADE, at, seen, tick / 10, size, 0, 0, 0)
            row += 1
            continue
        told = []
        for side, sign in ((BUY, -1), (SELL, 1)):
            first = middle if side == BUY else middle + 1
            book = books[side]
            # What the middle has passed is gone first.
            told += [(side, tick, 0) for tick in book if (first - tick) * sign > 0]
            for _ in range(int(random.integers(1, 9))):
                tick = first + sign * min(int(random.exponential(60)), 600)
                told.append((side, tick, max(0, int(random.integers(-500, 3_000)))))
        for side, tick, lots in sorted(told, key=lambda level: level[2] > 0):
            if lots:
                books[side][tick] = lots
            elif books[side].pop(tick, None) is None:
                continue
            if row < count:
                ev = EXCHANGE | OURS | side | DEPTH
                rows[row] = (ev, at, seen, tick / 10, round(lots * LOT, 3), 0, 0, 0)
                row += 1
    return rows


def rows_of(source):
    if source.startswith("made-up:"):
        return made_up(int(source.split(":")[1]))
    if source.endswith(".gz"):
        return binancefutures.convert(source, None, buffer_size=20_000_000)
    loaded = np.load(source)
    return loaded["data"] if source.endswith(".npz") else loaded


def as_seen(rows):
    """The rows of the receiver, in its order, as those of both."""
    rows = rows[rows["ev"] & OURS != 0]
    rows = rows[np.argsort(rows["local_ts"], kind="stable")]
    rows["ev"] |= EXCHANGE
    rows["exch_ts"] = rows["local_ts"]
    return rows


def removals(rows):
    """What removes the levels that are left, the worst first."""
    held = {BUY: set(), SELL: set()}
    levels = rows[np.isin(rows["ev"] & 0xFF, [DEPTH, SNAPSHOT])]
    for ev, px, qty in zip(levels["ev"].tolist(), levels["px"].tolist(), levels["qty"].tolist()):
        side = BUY if ev & BUY else SELL
        held[side].add(px) if qty else held[side].discard(px)
    at = rows["local_ts"].max() + MILLI
    left = [(BUY, px) for px in sorted(held[BUY])] + [(SELL, px) for px in sorted(held[SELL])[::-1]]
    made = [(EXCHANGE | OURS | side | DEPTH, at, at, px, 0, 0, 0, 0) for side, px in left]
    return np.array(made, event_dtype)


def main():
    source, out, times = sys.argv[1], sys.argv[2], int(sys.argv[3])
    rows = as_seen(rows_of(source))
    rows = np.concatenate([rows, removals(rows)])
    span = (int(rows["local_ts"][-1] - rows["local_ts"][0]) // (1_000 * MILLI) + 2) * 1_000 * MILLI
    repeated = np.lib.format.open_memmap(out, "w+", event_dtype, (len(rows) * times,))
    for number in range(times):
        part = repeated[number * len(rows) : (number + 1) * len(rows)]
        part[:] = rows
        part["exch_ts"] += span * number
        part["local_ts"] += span * number
    repeated.flush()


main()
