"""Records as NumPy sees them: dtypes made of what the compiled part says lies where, and the numbers in them with their names."""

from decimal import Decimal
from enum import IntEnum
from typing import Any

import numpy as np

from tidegate import _tidegate

_LAYOUTS = _tidegate.layouts()
_NUMBERS = _tidegate.numbers()
# NumPy has no integer of 128 bits: low and high half.
_I128 = np.dtype([("low", "<u8"), ("high", "<i8")])
_MONEY_PER_UNIT = 10**18


def _dtype(name: str, **more: tuple[np.dtype[Any], int]) -> np.dtype[Any]:
    size, fields = _LAYOUTS[name]
    named = [(field, _I128 if form == "i128" else np.dtype(form), offset) for field, form, offset in fields]
    named = [field for field in named if not field[0].startswith("reserved")]
    named += [(field, dtype, offset) for field, (dtype, offset) in more.items()]
    return np.dtype(
        {
            "names": [field for field, _, _ in named],
            "formats": [dtype for _, dtype, _ in named],
            "offsets": [offset for _, _, offset in named],
            "itemsize": size,
        }
    )


def _event() -> np.dtype[Any]:
    at = next(offset for field, _, offset in _LAYOUTS["EventRecord"][1] if field == "body")
    bodies = {"execution": "Execution", "position": "Position", "cash": "Account", "terms": "Instrument"}
    return _dtype("EventRecord", **{field: (_dtype(name), at) for field, name in bodies.items()})


public_dtype: np.dtype[Any] = _dtype("PublicUpdate")
"""One public update: a level, a trade, a status. `kind` is a PublicKind, `price` in ticks, `qty` in lots."""

event_dtype: np.dtype[Any] = _event()
"""One event. `kind` is an EventKind, and says which view of the body means something: `execution` of EXECUTION and CANCEL_REJECT,
`position` of POSITION, `cash` of ACCOUNT, `terms` of INSTRUMENT. They lie in the same bytes, which are `body`."""


def money(value: Any) -> Decimal:
    """An amount in an event (`fee`, `cash`, `cost` and so on), exactly."""
    units = (int(value["high"]) << 64) | int(value["low"])
    return Decimal(units) / _MONEY_PER_UNIT if abs(units) < 10**27 else Decimal(units).scaleb(-18)


def _enum(name: str) -> Any:
    return IntEnum(name, {text.upper().replace("+", "_"): number for text, number in _NUMBERS[name].items()}, module=__name__)


PublicKind = _enum("PublicKind")
EventKind = _enum("EventKind")
ExecType = _enum("ExecType")
OrdStatus = _enum("OrdStatus")
Side = _enum("Side")
TradingStatus = _enum("TradingStatus")
Liquidity = _enum("Liquidity")
CancelReason = _enum("CancelReason")
RejectReason = _enum("RejectReason")
