"""The same strategy in a backtest, which is the same each time."""

import pathlib
import subprocess

import pytest
from conftest import binary

import tidegate


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    path = tmp_path_factory.mktemp("recording") / "day.itch"
    options = ["--symbols", "2", "--messages", "40000", "--rate", "4000", "--seed", "7"]
    subprocess.run([binary(), "gen", "-o", path, *options], check=True, stdout=subprocess.DEVNULL)
    return path


class Momentum(tidegate.Strategy):
    """Buys at the offer, sells a second of market time later."""

    def __init__(self) -> None:
        self.fills: list[str] = []
        self.times: list[int] = []

    def on_book(self, book: tidegate.Book, desk: tidegate.Desk) -> None:
        if book.touch and not desk.orders and not desk.position_lots(book.instrument) and len(self.fills) < 20:
            desk.buy(book.instrument, 100, time_in_force="ioc")
            desk.wake_in(1.0)

    def on_timer(self, desk: tidegate.Desk) -> None:
        self.times.append(desk.now)
        for instrument in desk.instruments:
            held = desk.position(instrument)
            if held > 0:
                desk.sell(instrument, held)

    def on_fill(self, fill: tidegate.Report, desk: tidegate.Desk) -> None:
        self.fills.append(f"{fill.side} {fill.last_qty} {fill.symbol} at {fill.last_price}")


def test_a_backtest_is_the_same_each_time(recording: pathlib.Path) -> None:
    runs = []
    for _ in range(2):
        strategy = Momentum()
        summary = tidegate.backtest(strategy, recording, binary=binary())
        runs.append((summary, strategy.fills, strategy.times))
    assert runs[0] == runs[1]
    summary, fills, times = runs[0]
    assert len(fills) >= 4 and fills[0].startswith("buy 100 ") and any(fill.startswith("sell") for fill in fills)
    assert times == sorted(times), "market time does not go back"
    assert "state_hash" in summary, summary


def test_an_exception_ends_a_backtest(recording: pathlib.Path) -> None:
    class Failing(tidegate.Strategy):
        def on_book(self, book: tidegate.Book, desk: tidegate.Desk) -> None:
            with pytest.raises(RuntimeError, match="ends with its file"):
                desk.stop()
            raise LookupError("on purpose")

    with pytest.raises(LookupError, match="on purpose"):
        tidegate.backtest(Failing(), recording, binary=binary())


def test_what_cannot_run_says_why(recording: pathlib.Path) -> None:
    with pytest.raises(tidegate.ConnectError, match="nowhere.itch"):
        tidegate.backtest(Momentum(), "/nowhere.itch", binary=binary())
    with pytest.raises(FileNotFoundError):
        tidegate.backtest(Momentum(), recording, binary="/no/such/tidegate")
