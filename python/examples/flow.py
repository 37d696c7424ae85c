"""What trades, per second: batches of public updates as NumPy arrays, without a loop over records.

    TIDEGATE_TOKEN=... python flow.py data/demo-.../journal/door.sock
"""

import os
import sys
import time

import numpy as np

import tidegate


def main() -> None:
    if len(sys.argv) < 2 or "TIDEGATE_TOKEN" not in os.environ:
        sys.exit(__doc__)
    door, token = sys.argv[1], os.environ["TIDEGATE_TOKEN"]
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 5.0
    until, begun = time.monotonic() + seconds, time.monotonic()
    batches = []
    with tidegate.Session(door, token) as session:
        while time.monotonic() < until:
            session.poll_events()
            try:
                batch = session.poll_public(65_536, timeout=0.1)
            except tidegate.LappedError as lapped:
                print(lapped, file=sys.stderr)
                continue
            if len(batch):
                batches.append(batch)
        instruments = session.instruments
    updates = np.concatenate(batches) if batches else np.empty(0, tidegate.public_dtype)
    trades = updates[updates["kind"] == tidegate.PublicKind.TRADE]
    elapsed = time.monotonic() - begun
    print(f"{len(updates) / elapsed:,.0f} updates a second, {len(trades) / elapsed:,.1f} trades a second, {len(batches)} batches")
    for number in np.unique(trades["instrument"]):
        instrument, here = instruments[int(number)], trades[trades["instrument"] == number]
        lots = int(here["qty"].sum())
        # A mean is no price: a float is right here.
        mean = np.average(here["price"], weights=here["qty"]) * float(instrument.tick_size)
        print(f"{instrument.symbol:8} {instrument.qty(lots):>10} at {mean:.4f}")


if __name__ == "__main__":
    main()
