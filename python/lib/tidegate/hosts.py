"""Where a strategy runs: over shared memory, over gRPC, or in a backtest. Going from one to the other changes one line."""

import json
import os
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterable, Sequence
from typing import Any, Literal, cast

from tidegate import _tidegate
from tidegate._tidegate import ConnectError, Tally
from tidegate.strategy import Strategy

# How long a backtest may take to listen, and to end once its strategy has.
_START_S = 60.0
_END_S = 10.0


def _token(token: str | None) -> str:
    found = os.environ.get("TIDEGATE_TOKEN") if token is None else token
    if not found:
        raise ValueError("no token: give token=..., or set TIDEGATE_TOKEN")
    return found


def _symbols(symbols: Iterable[str]) -> list[str]:
    if isinstance(symbols, str):
        raise TypeError("symbols is a list of them: ['TIDE']")
    return list(symbols)


def trade_over_shared_memory(
    strategy: Strategy,
    *,
    door: str | os.PathLike[str],
    account: int,
    token: str | None = None,
    symbols: Iterable[str] = (),
    wait: Literal["park", "yield", "spin"] = "park",
    seconds: float | None = None,
    stop: threading.Event | None = None,
    prefix: str | None = None,
) -> Tally:
    """Trades on a server of this machine, over memory shared with it, until it is told to end; then cancels what is open.

    Args:
        door: the server's door, `[edge] door` in its configuration: `door.sock` in the journal's folder by default.
        account: the account to trade for.
        token: as for gRPC; TIDEGATE_TOKEN in the environment by default.
        symbols: what to trade; without any, whatever is there or comes.
        wait: what to do while there is nothing to hear: sleep for some microseconds, offer the core to others, or neither.
        seconds: ends after so long. Ctrl-C, `stop` and Desk.stop() end it as well, in the same good order.
        stop: ends when it is set, by another thread.
        prefix: what order names begin with, unique for the account's day; by default made of the time.

    Returns:
        What was sent, done and refused, and how long answers took.

    Raises:
        ConnectError: nobody is at the door.
        RefusedError: an unknown token, or an account that is not there.
        SessionEndedError: the server ended it, or is gone.
        KeyboardInterrupt: Ctrl-C, after on_end was called and everything was canceled.
        Whatever a callback raised.

    However the process ends, `kill -9` included, the session ends with it and its orders are canceled.
    """
    return _tidegate.trade_over_shared_memory(
        strategy,
        door=door,
        token=_token(token),
        account=account,
        symbols=_symbols(symbols),
        wait=wait,
        seconds=seconds,
        stop=stop,
        prefix=prefix,
    )


def trade(
    strategy: Strategy,
    *,
    account: int,
    addr: str = "http://127.0.0.1:7800",
    token: str | None = None,
    symbols: Iterable[str] = (),
    min_interval_ms: int = 0,
    seconds: float | None = None,
    stop: threading.Event | None = None,
    prefix: str | None = None,
) -> Tally:
    """Trades on a server over gRPC until it is told to end or the market data ends; then cancels what is open.

    Args:
        addr: the server's address; of several nodes all of theirs, with commas between.
        symbols: what to trade; without any, what is there after half a second without a new one.
        min_interval_ms: least time between two books of one instrument; 0: each change.

    Everything else is as for trade_over_shared_memory.
    """
    return _tidegate.trade(
        strategy,
        addr=addr,
        token=_token(token),
        account=account,
        symbols=_symbols(symbols),
        min_interval_ms=min_interval_ms,
        seconds=seconds,
        stop=stop,
        prefix=prefix,
    )


def trade_in_lock_step(strategy: Strategy, *, addr: str) -> dict[str, Any]:
    """Trades in a backtest that listens (`tidegate backtest FILE --listen ADDR`), which waits for each answer.

    Returns:
        The backtest's summary: its figures, and the hash of the state that it reached.

    Raises:
        ConnectError: nobody listens there.
        RefusedError: the backtest ended early, and says why.
        Whatever a callback raised, which ends the backtest.
    """
    summary = json.loads(_tidegate.trade_in_lock_step(strategy, addr=addr))
    return cast(dict[str, Any], summary)


def backtest(
    strategy: Strategy,
    file: str | os.PathLike[str],
    *,
    symbols: Iterable[str] = (),
    binary: str | os.PathLike[str] | None = None,
    options: Sequence[str] = (),
) -> dict[str, Any]:
    """Runs a backtest of a recording and trades in it. The same file, strategy and options give the same state hash each time.

    Args:
        file: what `tidegate backtest` reads: ITCH 5.0, DBN, recorded Binance messages, bars; plain or compressed.
        symbols: what to trade; all of the file by default.
        binary: the program `tidegate`; by default TIDEGATE_BINARY in the environment, or the one on the PATH.
        options: more of its options, e.g. ["--latency", "500us", "--fills", "fills.csv"].

    Returns and raises as trade_in_lock_step; FileNotFoundError if there is no such program.
    """
    program = os.fspath(binary or os.environ.get("TIDEGATE_BINARY") or "tidegate")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        addr = f"127.0.0.1:{free.getsockname()[1]}"
    command = [program, "backtest", os.fspath(file), "--listen", addr, *options]
    named = _symbols(symbols)
    if named:
        command += ["--symbols", ",".join(named)]
    with tempfile.TemporaryFile("w+") as errors:
        running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors)
        try:
            _until_listening(addr, running)
            return trade_in_lock_step(strategy, addr=addr)
        except ConnectError as error:
            errors.seek(0)
            raise ConnectError(f"{' '.join(command)}: {errors.read().strip() or error}") from None
        finally:
            try:
                running.wait(_END_S if running.poll() is None else 0)
            except subprocess.TimeoutExpired:
                running.kill()
                running.wait()


def _until_listening(addr: str, running: subprocess.Popen[bytes]) -> None:
    host, port = addr.split(":")
    until = time.monotonic() + _START_S
    while True:
        if running.poll() is not None:
            raise ConnectError(f"it ended with exit code {running.returncode} before it listened")
        # Asks whether somebody listens without calling: the first call is the strategy's.
        with socket.socket() as probe:
            if probe.connect_ex((host, int(port))) == 0:
                return
        if time.monotonic() > until:
            running.kill()
            raise ConnectError(f"it does not listen at {addr}")
        time.sleep(0.02)
