"""An asyncio client over gRPC, of everything the server offers. Needs `pip install 'tidegate[aio]'`.

>>> async with tidegate.aio.Client("127.0.0.1:7800", token) as client:
...     report = await client.buy("TIDE", 100, price="139.05", account=1)
...     async for quote in client.quotes(["TIDE"]):
...         print(quote.bid_price, quote.ask_price)

The messages are those of `client/proto/tidegate/v1/*.proto`, made here from the descriptors that the compiled part carries: `messages.Quote`,
`messages.SIDE_BUY`. Each service is an attribute of the client, and each of its methods a coroutine or a stream:
`await client.AccountService.ListPositions(messages.ListPositionsRequest(account=1))`.

Prices, quantities and money are exact decimal text in messages, as they are over any gRPC; what the methods of this class take may be a
Decimal, a str or an int. A refusal by a rule is no exception but data: `report.reject`.
"""

import asyncio
import itertools
import os
import time
from collections.abc import AsyncIterator, Callable, Iterable
from decimal import Decimal
from types import SimpleNamespace, TracebackType
from typing import Any, Literal

try:
    import grpc
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
    from google.protobuf.internal import enum_type_wrapper
except ImportError as error:
    raise ImportError("tidegate.aio needs grpcio and protobuf: pip install 'tidegate[aio]'") from error

from tidegate._tidegate import ConnectError, RefusedError, SessionEndedError, file_descriptor_set

__all__ = ["Client", "OrderSession", "messages"]

_PACKAGE = "tidegate.v1"
# As long as the server's own longest wait, and some.
_CALL_S = 30.0
# Between attempts to go on with a stream of events.
_AGAIN_S = 0.5
_REFUSALS = {
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.OUT_OF_RANGE,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.DATA_LOSS,
}

Exact = Decimal | str | int
TimeInForce = Literal["day", "gtc", "ioc", "fok", "gtd", "at_the_open", "at_the_close"]


def _messages() -> tuple[SimpleNamespace, dict[str, Any]]:
    pool = descriptor_pool.DescriptorPool()
    files = descriptor_pb2.FileDescriptorSet.FromString(file_descriptor_set()).file
    found: dict[str, Any] = {}
    services: dict[str, Any] = {}
    for file in files:
        pool.AddSerializedFile(file.SerializeToString())
    for file in files:
        if file.package != _PACKAGE:
            continue
        described = pool.FindFileByName(file.name)
        for name, message in described.message_types_by_name.items():
            found[name] = message_factory.GetMessageClass(message)
        for enum in described.enum_types_by_name.values():
            found[enum.name] = enum_type_wrapper.EnumTypeWrapper(enum)
            found.update(enum.values_by_name.items())
        services.update(described.services_by_name)
    found = {name: getattr(what, "number", what) for name, what in found.items()}
    return SimpleNamespace(**found), services


messages, _SERVICES = _messages()
"""Every message, every enum and every value of one, by its name: messages.Quote, messages.SIDE_BUY, messages.Side.Name(1)."""


def _text(value: Exact, what: str) -> str:
    if isinstance(value, bool) or not isinstance(value, Decimal | str | int):
        hint = ": a float is not exact; say Decimal('139.05') or '139.05'" if isinstance(value, float) else ""
        raise TypeError(f"{what} must be a Decimal, a str or an int, not {type(value).__name__}{hint}")
    return format(value, "f") if isinstance(value, Decimal) else str(value)


def _error(error: grpc.aio.AioRpcError, call: str) -> Exception:
    text = f"{call}: {error.details()} ({error.code().name})"
    if error.code() in _REFUSALS:
        return RefusedError(text)
    if error.code() is grpc.StatusCode.UNAVAILABLE:
        return ConnectError(f"{text}; is the server up, and listening there?")
    return SessionEndedError(text)


class _Service:
    """A service; its methods are attributes."""

    def __init__(self, channel: grpc.aio.Channel, metadata: tuple[tuple[str, str], ...], service: Any) -> None:
        for method in service.methods:
            setattr(self, method.name, _call(channel, metadata, service.full_name, method))


def _call(
    channel: grpc.aio.Channel, metadata: tuple[tuple[str, str], ...], service: str, method: Any
) -> Callable[..., Any]:
    kinds = {(False, False): "unary_unary", (False, True): "unary_stream", (True, True): "stream_stream"}
    multi = getattr(channel, kinds[method.client_streaming, method.server_streaming])(
        f"/{service}/{method.name}",
        request_serializer=message_factory.GetMessageClass(method.input_type).SerializeToString,
        response_deserializer=message_factory.GetMessageClass(method.output_type).FromString,
    )
    if method.client_streaming:

        def both() -> Any:
            return multi(metadata=metadata)

        return both
    if method.server_streaming:

        async def stream(request: Any) -> AsyncIterator[Any]:
            try:
                async for item in multi(request, metadata=metadata):
                    yield item
            except grpc.aio.AioRpcError as error:
                raise _error(error, method.name) from None

        return stream

    async def unary(request: Any, *, timeout: float = _CALL_S) -> Any:
        try:
            return await multi(request, metadata=metadata, timeout=timeout)
        except grpc.aio.AioRpcError as error:
            raise _error(error, method.name) from None

    return unary


class Client:
    """A connection to the server's gRPC. It connects when it is used first, and again by itself after a disconnect.

    Args:
        addr: host and port; `http://` in front is taken off.
        token: TIDEGATE_TOKEN in the environment by default; without one only what may be read without is possible.
        release_level: what answers and events wait for, "process", "power", "replica" or "replica+power"; never less than the server's own.
    """

    def __init__(
        self, addr: str = "127.0.0.1:7800", token: str | None = None, *, release_level: str | None = None
    ) -> None:
        token = os.environ.get("TIDEGATE_TOKEN") if token is None else token
        metadata: list[tuple[str, str]] = []
        if token:
            metadata.append(("authorization", f"Bearer {token}"))
        if release_level:
            metadata.append(("tidegate-release-level", release_level))
        self._channel = grpc.aio.insecure_channel(addr.removeprefix("http://"))
        self._services = {
            name: _Service(self._channel, tuple(metadata), service) for name, service in _SERVICES.items()
        }
        self._names = itertools.count(1)
        self._prefix = f"aio-{time.time_ns() // 1_000:x}"

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["_services"][name]
        except KeyError:
            raise AttributeError(f"there is no {name}; the services are {', '.join(_SERVICES)}") from None

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *_SERVICES]

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends the connection, and every stream on it."""
        await self._channel.close()

    async def instruments(self) -> list[Any]:
        """All instruments."""
        found: list[Any] = []
        page = ""
        while True:
            request = messages.ListInstrumentsRequest(page_token=page)
            answer = await self.MarketDataService.ListInstruments(request)
            found += answer.instruments
            page = answer.next_page_token
            if not page:
                return found

    def quotes(self, symbols: Iterable[str], *, min_interval_ms: int = 0) -> AsyncIterator[Any]:
        """Best bid and offer of these symbols, now and with each change (or the latest so often)."""
        request = messages.QuotesRequest(symbols=symbols, min_interval_ms=min_interval_ms)
        stream: AsyncIterator[Any] = self.MarketDataService.Quotes(request)
        return stream

    def trades(self, symbols: Iterable[str]) -> AsyncIterator[Any]:
        """The market's trades in these symbols."""
        stream: AsyncIterator[Any] = self.MarketDataService.Trades(messages.TradesRequest(symbols=symbols))
        return stream

    def books(self, symbols: Iterable[str], *, depth: int = 10, min_interval_ms: int = 0) -> AsyncIterator[Any]:
        """Levels of these symbols: a snapshot each, then what changes."""
        request = messages.BooksRequest(symbols=symbols, depth=depth, min_interval_ms=min_interval_ms)
        stream: AsyncIterator[Any] = self.MarketDataService.Books(request)
        return stream

    async def events(
        self,
        *,
        account: int | None = None,
        principal: int | None = None,
        kinds: Iterable[int] = (),
        after: Any = None,
        stop_at_end: bool = False,
    ) -> AsyncIterator[Any]:
        """Events from `after` (an EventPosition) or the beginning on, resumed by itself after a disconnect, without gap or repeat.

        Of one account or principal, and of these kinds (messages.EVENT_KIND_...), if they are named. `stop_at_end` ends the stream
        when everything that has happened was told.
        """
        request = messages.StreamEventsRequest(kinds=kinds, stop_at_end=stop_at_end)
        for name, value in (("account", account), ("principal", principal)):
            if value is not None:
                setattr(request, name, value)
        if after is not None:
            request.after.CopyFrom(after)
        while True:
            try:
                async for step in self.EventService.StreamEvents(request):
                    if step.WhichOneof("step") == "event":
                        request.after.CopyFrom(step.event.position)
                        yield step.event
                    else:
                        request.after.CopyFrom(step.progress.position)
                if stop_at_end:
                    return
            except RefusedError:
                raise
            except (ConnectError, SessionEndedError):
                pass
            await asyncio.sleep(_AGAIN_S)

    def order(
        self,
        side: Literal["buy", "sell"],
        symbol: str,
        qty: Exact,
        price: Exact | None = None,
        *,
        account: int,
        time_in_force: TimeInForce | None = None,
        client_order_id: str | None = None,
        **more: Any,
    ) -> Any:
        """A SubmitOrderRequest: a limit order for the day with a price, a market order (immediate or cancel) without.

        `more` are further fields of the message: order_type, stop_price, post_only, display_qty, cancel_on_disconnect, strategy ...
        """
        lives = time_in_force or ("ioc" if price is None else "day")
        fields: dict[str, Any] = {
            "account": account,
            "symbol": symbol,
            "client_order_id": client_order_id or f"{self._prefix}-{next(self._names)}",
            "side": getattr(messages, f"SIDE_{side.upper()}"),
            "order_type": messages.ORDER_TYPE_MARKET if price is None else messages.ORDER_TYPE_LIMIT,
            "time_in_force": getattr(messages, f"TIME_IN_FORCE_{lives.upper()}"),
            "qty": _text(qty, "qty"),
            "price": "" if price is None else _text(price, "price"),
        }
        return messages.SubmitOrderRequest(**(fields | more))

    async def buy(self, symbol: str, qty: Exact, price: Exact | None = None, *, account: int, **more: Any) -> Any:
        """Sends an order as order() makes it, and returns the engine's first word on it, an OrderReport."""
        return await self.submit(self.order("buy", symbol, qty, price, account=account, **more))

    async def sell(self, symbol: str, qty: Exact, price: Exact | None = None, *, account: int, **more: Any) -> Any:
        """Sells, as buy() buys."""
        return await self.submit(self.order("sell", symbol, qty, price, account=account, **more))

    async def submit(self, order: Any) -> Any:
        """Sends a SubmitOrderRequest, and returns an OrderReport.

        After a ConnectError or SessionEndedError it is unknown whether the order was taken. It can be sent again under its name,
        unchanged: it is taken once.
        """
        return (await self.OrderService.SubmitOrder(order)).report

    async def cancel(self, *, account: int, client_order_id: str | None = None, order_id: int | None = None) -> Any:
        """Asks to cancel one order, by either name, and returns an OrderReport."""
        named = _named(client_order_id, order_id)
        return (await self.OrderService.CancelOrder(messages.CancelOrderRequest(account=account, **named))).report

    async def replace(
        self,
        symbol: str,
        qty: Exact,
        price: Exact,
        *,
        account: int,
        client_order_id: str | None = None,
        order_id: int | None = None,
    ) -> Any:
        """Asks for another quantity, executed part included, and another limit price, and returns an OrderReport."""
        request = messages.ReplaceOrderRequest(
            account=account,
            symbol=symbol,
            qty=_text(qty, "qty"),
            price=_text(price, "price"),
            **_named(client_order_id, order_id),
        )
        return (await self.OrderService.ReplaceOrder(request)).report

    async def cancel_all(self, *, account: int, symbol: str = "") -> int:
        """Cancels every open order of the account, or of one symbol of it, and returns how many.

        Raises RefusedError if a rule refuses it.
        """
        answer = await self.OrderService.MassCancel(messages.MassCancelRequest(account=account, symbol=symbol))
        if answer.HasField("reject"):
            raise RefusedError(f"MassCancel: {answer.reject.text}")
        return int(answer.canceled)

    def order_session(self) -> "OrderSession":
        """A session with a ring into the engine of its own; orders with cancel_on_disconnect end with it.

        >>> async with client.order_session() as session:
        ...     await session.send(client.order("buy", "TIDE", 100, "139", account=1, cancel_on_disconnect=True))
        ...     async for event in session:
        ...         print(event)
        """
        return OrderSession(self.OrderService.OrderSession())


def _named(client_order_id: str | None, order_id: int | None) -> dict[str, Any]:
    if (client_order_id is None) == (order_id is None):
        raise TypeError("name the order, by client_order_id or by order_id")
    return {"client_order_id": client_order_id} if order_id is None else {"order_id": order_id}


class OrderSession:
    """A two-way session: requests go in, and what comes of them comes out, as OrderEvent."""

    # The field of an OrderRequest for each kind of request.
    _FIELDS = {
        "SubmitOrderRequest": "submit",
        "CancelOrderRequest": "cancel",
        "ReplaceOrderRequest": "replace",
        "MassCancelRequest": "mass_cancel",
        "SubmitListRequest": "list",
        "SubmitAlgorithmRequest": "algorithm",
    }

    def __init__(self, call: Any) -> None:
        self._call = call
        self._sent = 0

    async def __aenter__(self) -> "OrderSession":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._call.cancel()

    async def send(self, request: Any) -> int:
        """Sends a request, and returns its number, which answers carry as request_id."""
        field = self._FIELDS[request.DESCRIPTOR.name]
        try:
            await self._call.write(messages.OrderRequest(**{field: request}))
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError) as error:
            raise SessionEndedError(f"OrderSession: {error}") from None
        self._sent += 1
        return self._sent

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        try:
            told = await self._call.read()
        except grpc.aio.AioRpcError as error:
            raise _error(error, "OrderSession") from None
        if told is grpc.aio.EOF:
            raise StopAsyncIteration
        return told
