"""A small market maker: keeps one buy and one sell order at the best prices, and stops where it holds too much.

    make run ARGS="--seconds 120"                      # in another terminal; it prints the door and a token
    export TIDEGATE_TOKEN=...
    python quoter.py --door data/demo-.../journal/door.sock --account 3 --seconds 30
    python quoter.py --addr 127.0.0.1:7800 --account 3 --seconds 30
    python quoter.py --backtest day.itch.gz --symbols TIDE
"""

import argparse

import tidegate


class Quoter(tidegate.Strategy):
    def __init__(self, size: int, position_max: int) -> None:
        self.size = size
        self.position_max = position_max
        self.quotes: dict[tuple[str, str], int] = {}
        self.leaving: set[int] = set()
        self.fills = 0

    def on_book(self, book: tidegate.Book, desk: tidegate.Desk) -> None:
        touch = book.touch
        if touch is None:
            return
        bid, ask = touch
        held = desk.position_lots(book.instrument)
        self.quote(desk, book.instrument, "buy", bid.ticks if held < self.position_max else None)
        self.quote(desk, book.instrument, "sell", ask.ticks if held > -self.position_max else None)

    def quote(self, desk: tidegate.Desk, instrument: tidegate.Instrument, side: str, ticks: int | None) -> None:
        """One order of this side, at `ticks`; none without."""
        if ticks is not None:
            down = instrument.ticks_down if side == "buy" else instrument.ticks_up
            ticks = down(instrument.price(ticks))
        key = self.quotes.get((instrument.symbol, side))
        order = desk.order(key) if key is not None else None
        if order is not None:
            if order.ticks != ticks and order.key not in self.leaving:
                self.leaving.add(order.key)
                desk.cancel(order.key)
        elif ticks is not None:
            send = desk.buy if side == "buy" else desk.sell
            self.quotes[instrument.symbol, side] = send(instrument, lots=self.size, ticks=ticks)

    def on_report(self, report: tidegate.Report, desk: tidegate.Desk) -> None:
        if report.reject == "too_late_to_cancel":
            return
        if report.reject:
            print(f"refused: {report.reject}, {report}")
        if report.is_final or report.reject:
            self.leaving.discard(report.key)

    def on_fill(self, fill: tidegate.Report, desk: tidegate.Desk) -> None:
        self.fills += 1
        if self.fills <= 10:
            print(f"{fill.side:4} {fill.last_qty} {fill.symbol} at {fill.last_price}, now {desk.position(fill.instrument)}")

    def on_end(self, desk: tidegate.Desk) -> None:
        for instrument in desk.instruments:
            print(f"{instrument.symbol:8} holds {desk.position(instrument)}")
        print(f"cash {desk.cash}")


def main() -> None:
    parser = argparse.ArgumentParser()
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--door", help="the server's door: shared memory")
    where.add_argument("--addr", help="the server's address: gRPC")
    where.add_argument("--backtest", metavar="FILE", help="a recording")
    parser.add_argument("--account", type=int, default=1)
    parser.add_argument("--symbols", type=lambda text: text.split(","), default=[])
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--size", type=int, default=100)
    args = parser.parse_args()

    quoter = Quoter(args.size, 10 * args.size)
    if args.backtest:
        summary = tidegate.backtest(quoter, args.backtest, symbols=args.symbols)
        print({name: summary[name] for name in ("result", "orders", "state_hash")})
    elif args.door:
        print(
            tidegate.trade_over_shared_memory(
                quoter, door=args.door, account=args.account, symbols=args.symbols, seconds=args.seconds
            )
        )
    else:
        print(
            tidegate.trade(
                quoter, addr=args.addr, account=args.account, symbols=args.symbols, seconds=args.seconds
            )
        )


if __name__ == "__main__":
    main()
