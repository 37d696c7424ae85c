"""Sessions in batches: what the arrays hold, how long they live, and what is told when something is missed."""

import time
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from conftest import PATIENCE_S, SYMBOL, TOKEN, Server

import tidegate
from tidegate import EventKind, ExecType, OrdStatus, PublicKind, Side


def until_execution(session: tidegate.Session, name: str, exec_type: int) -> Any:
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        events = session.poll_events(timeout=1.0)
        executions = events[events["kind"] == EventKind.EXECUTION]["execution"]
        found = executions[(executions["client_order_id"] == name.encode()) & (executions["exec_type"] == exec_type)]
        if len(found):
            return found[-1]
    raise AssertionError(f"{name} was not {exec_type}")


def test_records_lie_as_the_engine_has_them() -> None:
    assert (tidegate.public_dtype.itemsize, tidegate.event_dtype.itemsize) == (56, 256)
    where = {name: tidegate.public_dtype.fields[name][1] for name in tidegate.public_dtype.names or ()}
    assert where == {
        "seq": 0,
        "ts_event": 8,
        "ts": 16,
        "instrument": 24,
        "kind": 28,
        "side": 29,
        "price": 32,
        "qty": 40,
        "orders": 48,
    }
    where = {name: tidegate.event_dtype.fields[name][1] for name in tidegate.event_dtype.names or ()}
    assert [where[name] for name in ("seq", "ordinal", "kind", "request_id", "account", "body", "execution", "terms")] == [
        0,
        8,
        12,
        24,
        40,
        48,
        48,
        48,
    ]
    assert tidegate.event_dtype["execution"].itemsize == 208
    assert tidegate.event_dtype["execution"].fields["client_order_id"][1] == 64
    # Two halves of an integer of 128 bits, below 0 too.
    halves = tidegate.event_dtype["execution"]["fee"]
    for units in (0, 1, -1, 25 * 10**16, -(10**36)):
        raw = units.to_bytes(16, "little", signed=True)
        assert tidegate.money(np.frombuffer(raw, halves)[0]) == Decimal(units).scaleb(-18)


def test_events_and_orders(server: Server) -> None:
    with tidegate.Session(server.door, TOKEN, account=1) as session:
        assert session.release_level == "process" and session.principal == 1
        events = session.poll_events(timeout=5.0)
        assert events["terms"]["symbol"][events["kind"] == EventKind.INSTRUMENT].tolist() == [SYMBOL.encode()]
        cash = events[events["kind"] == EventKind.ACCOUNT]["cash"]
        assert tidegate.money(cash[0]["cash"]) == 1_000_000
        ((number, house),) = session.instruments.items()

        ticks = house.ticks("98.00")
        asked = session.submit("one", account=1, instrument=number, side="buy", lots=10, ticks=ticks)
        told = until_execution(session, "one", ExecType.NEW)
        assert (told["price"], told["leaves_qty"], told["side"]) == (ticks, 10, Side.BUY)
        assert session.replace("one", account=1, lots=4, ticks=ticks - 100) == asked + 1
        assert until_execution(session, "one", ExecType.REPLACED)["qty"] == 4
        session.cancel("one", account=1)
        until_execution(session, "one", ExecType.CANCELED)

        session.submit("two", account=1, instrument=number, side="buy", lots=5)
        told = until_execution(session, "two", ExecType.TRADE)
        assert house.price(int(told["last_price"])) == 101 and told["ord_status"] == OrdStatus.FILLED
        session.submit("three", account=1, instrument=number, side="sell", lots=5, ticks=house.ticks("105"))
        until_execution(session, "three", ExecType.NEW)
        session.cancel_all(account=1)
        until_execution(session, "three", ExecType.CANCELED)
        after = session.position
        assert after > (0, 0)

        for wrong in (
            lambda: session.submit("a b", account=1, instrument=0, side="buy", lots=1),
            lambda: session.submit("x", account=1, instrument=0, side="hold", lots=1),  # type: ignore[arg-type]
            lambda: session.poll_public(0),
            lambda: session.poll_public(timeout=-1),
        ):
            with pytest.raises(ValueError):
                wrong()
    with pytest.raises(ValueError, match="closed"):
        session.poll_public()
    # Whoever resumes hears what it missed, once.
    with tidegate.Session(server.door, TOKEN, account=1, after=(0, 0)) as again:
        events = again.poll_events(10_000)
        executions = events[events["kind"] == EventKind.EXECUTION]
        assert (executions["execution"]["client_order_id"] == b"two").any()
        assert again.position >= after


def test_public_updates_are_arrays_that_stay(server: Server) -> None:
    with tidegate.Session(server.door, TOKEN) as session:
        assert len(session.poll_public()) == 0
        session.ask_picture(0)
        batch = session.poll_public(timeout=5.0)
        while PublicKind.PICTURE_END not in batch["kind"]:
            batch = np.concatenate([batch, session.poll_public(timeout=5.0)])
        levels = batch[batch["kind"] == PublicKind.LEVEL]
        assert sorted(levels["side"].tolist()) == [Side.BUY, Side.SELL] and set(levels["qty"].tolist()) == {500}
        before = batch.tobytes()
        server.order("buy", "3", "--type", "market", account=1)
        until = time.monotonic() + PATIENCE_S
        trades = 0
        while not trades:
            assert time.monotonic() < until
            later = session.poll_public(timeout=1.0)
            assert not later.flags.writeable
            trades = int((later["kind"] == PublicKind.TRADE).sum())
        with pytest.raises(ValueError, match="read-only"):
            later["qty"] = 0
        del session
    assert batch.tobytes() == before, "what was polled is not changed by what comes later"


def test_a_reader_that_is_too_slow_is_told_so(server: Server) -> None:
    with tidegate.Session(server.door, TOKEN) as slow, tidegate.Session(server.door, TOKEN, account=1) as busy:
        # A picture is some updates: ask for more of them than the ring holds.
        lapped = 0
        until = time.monotonic() + PATIENCE_S
        while not lapped:
            assert time.monotonic() < until
            for _ in range(20_000):
                try:
                    busy.ask_picture(0)
                except tidegate.FullError:
                    time.sleep(0.001)
            try:
                busy.poll_public(1 << 20)
            except tidegate.LappedError:
                pass
            try:
                slow.poll_public(1)
            except tidegate.LappedError as error:
                lapped = error.skipped
        assert lapped > 0
        slow.poll_public(timeout=0.1)


def test_strangers_and_the_end_of_the_server(server: Server) -> None:
    with pytest.raises(tidegate.ConnectError, match="is it running"):
        tidegate.Session("/nowhere", TOKEN)
    with pytest.raises(tidegate.RefusedError, match="edge.tokens"):
        tidegate.Session(server.door, "not-theirs")
    with pytest.raises(ValueError, match="none of process"):
        tidegate.Session(server.door, TOKEN, release_level="marble")  # type: ignore[arg-type]
    with tidegate.Session(server.door, TOKEN, account=1) as session:
        session.poll_events(timeout=1.0)
        server.kill()
        until = time.monotonic() + PATIENCE_S
        for poll in (session.poll_public, session.poll_events):
            with pytest.raises(tidegate.SessionEndedError, match="the server is gone"):
                while time.monotonic() < until:
                    poll(timeout=1.0)
