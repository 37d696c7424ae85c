"""Strategies on both doors of a real server: what they hear, what they do, and every way to end."""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from conftest import PATIENCE_S, SYMBOL, TOKEN, Server

import tidegate

Host = Callable[..., tidegate.Tally]


@pytest.fixture(params=["shared_memory", "grpc"])
def host(request: pytest.FixtureRequest, server: Server) -> Host:
    """The line that changes."""

    def run(strategy: tidegate.Strategy, **options: Any) -> tidegate.Tally:
        options = {"token": TOKEN, "account": 1, "symbols": [SYMBOL], "seconds": PATIENCE_S} | options
        if request.param == "grpc":
            return tidegate.trade(strategy, addr=server.addr, **options)
        return tidegate.trade_over_shared_memory(strategy, door=server.door, **options)

    return run


class RoundTrip(tidegate.Strategy):
    """Buys 5 at the offer, quotes below, changes and cancels the quote, and ends."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.fills: list[tuple[str, Decimal, Decimal]] = []
        self.taking: int | None = None
        self.quote: int | None = None

    def on_start(self, desk: tidegate.Desk) -> None:
        self.heard.append("start")
        assert desk.instruments == [] and desk.account == 1 and desk.now > 1_600_000_000_000_000_000

    def on_instrument(self, instrument: tidegate.Instrument, desk: tidegate.Desk) -> None:
        self.heard.append(f"instrument {instrument.symbol}")
        assert desk.instrument(SYMBOL) == instrument == desk.instruments[0]

    def on_book(self, book: tidegate.Book, desk: tidegate.Desk) -> None:
        if self.taking is None and book.touch is not None:
            bid, ask = book.touch
            assert (bid.price, ask.price, ask.qty, ask.lots) == (Decimal("99.00"), Decimal("101.00"), 500, 500)
            assert bid.ticks == book.instrument.ticks("99") and desk.book(SYMBOL).ask == ask
            self.taking = desk.buy(book.instrument, 5, ask.price, time_in_force="ioc")

    def on_report(self, report: tidegate.Report, desk: tidegate.Desk) -> None:
        self.heard.append(f"{report.exec_type} {report.key}")
        order = desk.order(report.key)
        assert (order is None) == report.is_final
        if report.key == self.quote and report.exec_type == "new":
            assert order and order.side == "buy" and order.leaves_lots == 10
            assert desk.replace(report.key, "7", price=Decimal("97.5"))
        elif report.key == self.quote and report.exec_type == "replaced":
            assert (report.leaves_qty, report.price) == (7, Decimal("97.50"))
            assert desk.cancel(report.key)
        elif report.key == self.quote and report.exec_type == "canceled":
            assert not desk.cancel(report.key) and desk.orders == []
            desk.wake_in(0.05)

    def on_fill(self, fill: tidegate.Report, desk: tidegate.Desk) -> None:
        self.fills.append((fill.side, fill.last_qty, fill.last_price))
        assert fill.key == self.taking and fill.is_fill and fill.status == "filled"
        assert desk.position(SYMBOL) == 5 and desk.position_lots(fill.instrument) == 5
        self.quote = desk.buy(SYMBOL, lots=10, ticks=fill.instrument.ticks("98"))

    def on_timer(self, desk: tidegate.Desk) -> None:
        self.heard.append("timer")
        assert desk.cash == Decimal(1_000_000) - 5 * Decimal(101)
        desk.stop()

    def on_end(self, desk: tidegate.Desk) -> None:
        self.heard.append("end")


def test_a_strategy_hears_and_trades_the_same_on_both_doors(host: Host) -> None:
    strategy = RoundTrip()
    tally = host(strategy)
    assert strategy.fills == [("buy", 5, Decimal("101.00"))]
    assert strategy.heard[:2] == ["start", f"instrument {SYMBOL}"] and strategy.heard[-2:] == ["timer", "end"]
    quote = [heard for heard in strategy.heard if heard.endswith(" 2") and not heard.startswith("pending")]
    assert quote == ["new 2", "replaced 2", "canceled 2"]
    assert (tally.orders, tally.cancels, tally.replaces, tally.fills, tally.rejects) == (2, 1, 1, 1, 0)
    assert tally.round_trips_us[0] > 0 and "2 orders" in repr(tally)


def test_trades_of_the_market_are_heard(host: Host, server: Server) -> None:
    class Listener(tidegate.Strategy):
        def on_book(self, book: tidegate.Book, desk: tidegate.Desk) -> None:
            if book.touch and not asked:
                asked.append(threading.Thread(target=lambda: server.order("buy", "3", "--type", "market", account=1)))
                asked[0].start()

        def on_trade(self, trade: tidegate.Trade, desk: tidegate.Desk) -> None:
            heard.append((trade.symbol, trade.qty, trade.price, trade.aggressor))
            desk.stop()

    asked: list[threading.Thread] = []
    heard: list[Any] = []
    host(Listener())
    asked[0].join()
    assert heard == [(SYMBOL, 3, Decimal("101.00"), "buy")]


def test_numbers_are_exact_or_refused(host: Host) -> None:
    problems: dict[str, str] = {}

    class Careless(tidegate.Strategy):
        def on_instrument(self, instrument: tidegate.Instrument, desk: tidegate.Desk) -> None:
            tick = instrument.tick_size
            wrong: dict[str, Callable[[], object]] = {
                "a float": lambda: desk.buy(instrument, 5, 99.5),  # type: ignore[arg-type]
                "a float quantity": lambda: desk.buy(instrument, 5.0, "99"),  # type: ignore[arg-type]
                "between ticks": lambda: desk.buy(instrument, 5, Decimal("99") + tick / 2),
                "between lots": lambda: desk.buy(instrument, "0.5", "99"),
                "no quantity": lambda: desk.buy(instrument, price="99"),
                "two prices": lambda: desk.buy(instrument, 5, "99", ticks=1),
                "nothing": lambda: desk.buy(instrument, 0, "99"),
                "no number": lambda: desk.buy(instrument, 5, "ninety"),
                "a bool": lambda: desk.buy(instrument, True, "99"),
                "unknown": lambda: desk.buy("OTHER", 5, "99"),
                "lives": lambda: desk.buy(instrument, 5, "99", time_in_force="gtd"),  # type: ignore[arg-type]
                "not finite": lambda: instrument.ticks_down(float("nan")),
                "a float of ticks": lambda: instrument.ticks(99.5),  # type: ignore[arg-type]
            }
            for what, call in wrong.items():
                try:
                    call()
                    problems[what] = "was taken"
                except (TypeError, ValueError, KeyError) as error:
                    problems[what] = f"{type(error).__name__}: {error}"
            assert desk.orders == []
            ticks = instrument.ticks("99.50")
            assert instrument.price(ticks) == Decimal("99.5") and instrument.ticks(Decimal("99.50")) == ticks
            step = instrument.order_ticks_at(ticks)
            assert instrument.ticks_down(99.5) == instrument.ticks_up(99.5) == ticks
            assert instrument.ticks_down(99.5049) == ticks and instrument.ticks_up(99.5001) == ticks + step
            assert instrument.ticks_up(Decimal("99.500000000001")) == ticks + step
            assert instrument.ticks_down(-0.001) == -step and instrument.ticks_up(-0.001) == 0
            assert instrument.lots(7) == 7 and instrument.qty(-7) == -7
            desk.stop()

    host(Careless())
    types = {what: said.split(":")[0] for what, said in problems.items()}
    assert types == {
        "a float": "TypeError",
        "a float quantity": "TypeError",
        "between ticks": "ValueError",
        "between lots": "ValueError",
        "no quantity": "TypeError",
        "two prices": "TypeError",
        "nothing": "ValueError",
        "no number": "ValueError",
        "a bool": "TypeError",
        "unknown": "KeyError",
        "lives": "ValueError",
        "not finite": "ValueError",
        "a float of ticks": "TypeError",
    }
    assert "ticks_down" in problems["a float"]


def test_an_exception_ends_it_cancels_everything_and_comes_out(host: Host, server: Server) -> None:
    class Failing(tidegate.Strategy):
        def on_book(self, book: tidegate.Book, desk: tidegate.Desk) -> None:
            if not desk.orders:
                desk.buy(book.instrument, 5, "98")

        def on_report(self, report: tidegate.Report, desk: tidegate.Desk) -> None:
            if report.exec_type == "new":
                desk.buy(report.instrument, 5, "97")
                raise ZeroDivisionError("on purpose")

        def on_end(self, desk: tidegate.Desk) -> None:
            ended.append(True)

    ended: list[bool] = []
    with pytest.raises(ZeroDivisionError, match="on purpose") as caught:
        host(Failing())
    assert caught.traceback[-1].name == "on_report"
    assert not ended, "nothing is called after an exception"
    with tidegate.Session(server.door, TOKEN, account=1, after=(0, 0)) as session:
        executions = [event["execution"] for event in session.poll_events(10_000) if event["kind"] == tidegate.EventKind.EXECUTION]
    names = {execution["client_order_id"]: execution["exec_type"] for execution in executions}
    ours = {name: last for name, last in names.items() if name.startswith(b"py-")}
    assert list(ours.values()) == [tidegate.ExecType.CANCELED], "one order was sent, and it is canceled"


def test_a_refusal_that_nobody_hears_is_logged(host: Host, caplog: pytest.LogCaptureFixture) -> None:
    class Deaf(tidegate.Strategy):
        def on_book(self, book: tidegate.Book, desk: tidegate.Desk) -> None:
            if not self.sent:
                self.sent = True
                desk.buy(book.instrument, 4000, "90")
                desk.wake_in(0.3)

        def on_timer(self, desk: tidegate.Desk) -> None:
            desk.stop()

        sent = False

    with caplog.at_level(logging.WARNING, "tidegate"):
        tally = host(Deaf())
    assert tally.rejects == 1
    assert any("refused, and no on_report hears of it" in text and "notional" in text for text in caplog.messages), caplog.messages


def test_a_time_limit_and_an_event_end_it(host: Host) -> None:
    began = time.monotonic()
    host(Quiet(), seconds=0.3)
    assert 0.3 <= time.monotonic() - began < 5
    stop = threading.Event()
    ticking: list[int] = []
    thread = threading.Timer(0.3, stop.set)
    thread.start()
    host(Quiet(), stop=stop)
    thread.join()
    # The interpreter is free while nothing is heard.
    thread = threading.Thread(target=lambda: ticking.extend(range(1_000_000)))
    thread.start()
    host(Quiet(), seconds=0.5)
    thread.join()
    assert len(ticking) == 1_000_000


class Quiet(tidegate.Strategy):
    def on_end(self, desk: tidegate.Desk) -> None:
        self.desk = desk


def test_a_desk_is_for_callbacks_only(host: Host) -> None:
    quiet = Quiet()
    host(quiet, seconds=0.1)
    with pytest.raises(RuntimeError, match="only during a callback"):
        quiet.desk.cancel_all()
    with pytest.raises(RuntimeError, match="only during a callback"):
        quiet.desk.buy(SYMBOL, 1)
    with pytest.raises(ValueError, match="a class of its own"):
        host(tidegate.Strategy())
    with pytest.raises(TypeError, match="list"):
        host(Quiet(), symbols="HOUSE")
    with pytest.raises(ValueError, match="seconds"):
        host(Quiet(), seconds=-1.0)
    with pytest.raises(ValueError, match="1 to 15"):
        host(Quiet(), prefix="x" * 16)


def test_strangers_are_told_what_to_do(host: Host, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(tidegate.RefusedError, match="token"):
        host(Quiet(), token="not-theirs")
    monkeypatch.delenv("TIDEGATE_TOKEN", raising=False)
    with pytest.raises(ValueError, match="TIDEGATE_TOKEN"):
        host(Quiet(), token=None)
    with pytest.raises(tidegate.ConnectError, match="is it running, and is this its door"):
        tidegate.trade_over_shared_memory(Quiet(), door="/nowhere/door.sock", token=TOKEN, account=1)
    with pytest.raises(tidegate.ConnectError, match="is `tidegate run` up"):
        tidegate.trade(Quiet(), addr="127.0.0.1:9", token=TOKEN, account=1)


def test_the_end_of_the_server_is_told(host: Host, server: Server) -> None:
    class Killer(tidegate.Strategy):
        def on_book(self, book: tidegate.Book, desk: tidegate.Desk) -> None:
            server.running.kill()

    with pytest.raises(tidegate.TidegateError):
        host(Killer())
    server.kill()


SCRIPT = """
import sys, tidegate

class Quoting(tidegate.Strategy):
    def on_book(self, book, desk):
        if book.touch and not desk.orders:
            desk.buy(book.instrument, 5, "98")
    def on_report(self, report, desk):
        print(report.exec_type, flush=True)
    def on_end(self, desk):
        print("end", flush=True)

where, addr = sys.argv[1:]
if where == "door":
    tidegate.trade_over_shared_memory(Quoting(), door=addr, account=1)
else:
    tidegate.trade(Quoting(), addr=addr, account=1)
"""


@pytest.fixture(params=["door", "grpc"])
def process(request: pytest.FixtureRequest, server: Server) -> subprocess.Popen[str]:
    """A strategy in a process of its own, which has an order open."""
    where = str(server.door) if request.param == "door" else server.addr
    running = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, request.param, where],
        env=os.environ | {"TIDEGATE_TOKEN": TOKEN},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert running.stdout
    while (line := running.stdout.readline()) != "new\n":
        assert line, running.communicate()[1]
    return running


def last_execution(server: Server) -> int:
    """How the last order of account 1 stands."""
    with tidegate.Session(server.door, TOKEN, account=1, after=(0, 0)) as session:
        events = session.poll_events(10_000)
    executions = events[events["kind"] == tidegate.EventKind.EXECUTION]["execution"]
    return int(executions[-1]["cancel_reason"]) if executions[-1]["exec_type"] == tidegate.ExecType.CANCELED else 0


def test_a_killed_process_leaves_nothing_open(process: subprocess.Popen[str], server: Server) -> None:
    process.kill()
    process.communicate()
    until = time.monotonic() + PATIENCE_S
    while last_execution(server) != tidegate.CancelReason.DISCONNECT:
        assert time.monotonic() < until
        time.sleep(0.02)


def test_ctrl_c_ends_it_in_good_order(process: subprocess.Popen[str], server: Server) -> None:
    process.send_signal(signal.SIGINT)
    said, complained = process.communicate(timeout=PATIENCE_S)
    assert "KeyboardInterrupt" in complained and said.splitlines()[-1] == "end"
    assert last_execution(server) in (tidegate.CancelReason.USER, tidegate.CancelReason.MASS_CANCEL)
