"""A session at the shared-memory door, in batches."""

from types import TracebackType
from typing import Any

import numpy as np

from tidegate._tidegate import RawSession
from tidegate.records import event_dtype, public_dtype


class Session(RawSession):
    """A session at the door of a server on this machine: public updates and events as NumPy arrays, orders as the engine takes them.

    >>> with tidegate.Session("data/journal/door.sock", token, account=1) as session:
    ...     batch = session.poll_public(4096, timeout=1.0)
    ...     trades = batch[batch["kind"] == tidegate.PublicKind.TRADE]
    ...     (trades["price"] * trades["qty"]).sum()

    Each batch is taken out of the ring once, into memory of its own: the array is a view of that, read-only, and stays valid for
    as long as you keep it. Nothing that is polled later changes it.

    Prices are ticks and quantities lots here. `instruments[number]` says what they are worth.

    Raises (on attaching): ConnectError, RefusedError.
    """

    def poll_public(self, max: int = 4096, *, timeout: float = 0.0) -> np.ndarray[Any, np.dtype[Any]]:
        """The next public updates, `max` at most, as an array of public_dtype; empty if none come within `timeout` seconds.

        Raises LappedError when some were missed, which is told before the next batch, and SessionEndedError.
        """
        return np.frombuffer(self._poll_public(max, timeout), dtype=public_dtype)

    def poll_events(self, max: int = 256, *, timeout: float = 0.0) -> np.ndarray[Any, np.dtype[Any]]:
        """The next events, `max` at most, as an array of event_dtype; empty if none come within `timeout` seconds.

        How things stand comes first: instruments, and of the session's account its cash and positions. Raises SessionEndedError once
        everything told before is taken: attach again with `after=session.position`.
        """
        return np.frombuffer(self._poll_events(max, timeout), dtype=event_dtype)

    def __enter__(self) -> "Session":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
