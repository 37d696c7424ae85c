"""Strategies and clients for Tidegate.

A strategy is a class, and where it runs is the line that calls the host:

>>> class Buyer(tidegate.Strategy):
...     def on_book(self, book, desk):
...         if book.touch and not desk.position_lots(book.instrument) and not desk.orders:
...             desk.buy(book.instrument, 100, ticks=book.ask.ticks)
>>> tidegate.trade_over_shared_memory(Buyer(), door="data/journal/door.sock", account=1)
>>> tidegate.trade(Buyer(), addr="127.0.0.1:7800", account=1)
>>> tidegate.backtest(Buyer(), "day.itch.gz", symbols=["TIDE"])

Numbers are exact. What is called `price` or `qty` is in currency and units, a `decimal.Decimal`, and may be given as a Decimal, a str or
an int; what is called `ticks` or `lots` is the engine's own integer. Floats are refused, but where one says how to round:
`instrument.ticks_down(139.0537)`.

`Session` is what lies below: batches of records as NumPy arrays. `tidegate.aio` is an asyncio client over gRPC.
"""

from tidegate._tidegate import (
    Book,
    ConnectError,
    Desk,
    FullError,
    Instrument,
    LappedError,
    Level,
    Order,
    RefusedError,
    Report,
    SessionEndedError,
    Tally,
    TidegateError,
    Trade,
    __version__,
)
from tidegate.hosts import backtest, trade, trade_in_lock_step, trade_over_shared_memory
from tidegate.records import (
    CancelReason,
    EventKind,
    ExecType,
    Liquidity,
    OrdStatus,
    PublicKind,
    RejectReason,
    Side,
    TradingStatus,
    event_dtype,
    money,
    public_dtype,
)
from tidegate.session import Session
from tidegate.strategy import Strategy

__all__ = [
    "Book",
    "CancelReason",
    "ConnectError",
    "Desk",
    "EventKind",
    "ExecType",
    "FullError",
    "Instrument",
    "LappedError",
    "Level",
    "Liquidity",
    "OrdStatus",
    "Order",
    "PublicKind",
    "RefusedError",
    "RejectReason",
    "Report",
    "Session",
    "SessionEndedError",
    "Side",
    "Strategy",
    "Tally",
    "TidegateError",
    "Trade",
    "TradingStatus",
    "__version__",
    "backtest",
    "event_dtype",
    "money",
    "public_dtype",
    "trade",
    "trade_in_lock_step",
    "trade_over_shared_memory",
]
