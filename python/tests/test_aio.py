"""The asyncio client on a real server."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from conftest import PATIENCE_S, SYMBOL, TOKEN, Server

import tidegate
from tidegate.aio import Client, messages


def run(work: Any) -> Any:
    return asyncio.run(asyncio.wait_for(work, PATIENCE_S))


def test_orders_and_accounts(server: Server) -> None:
    async def work() -> None:
        async with server.client() as client:
            (house,) = await client.instruments()
            assert house.symbol == SYMBOL
            report = await client.buy(SYMBOL, 10, price=Decimal("98.50"), account=1, client_order_id="mine")
            assert (report.ord_status, report.price, report.leaves_qty) == (messages.ORD_STATUS_NEW, "98.50", "10")
            report = await client.replace(SYMBOL, 7, "98.40", account=1, client_order_id="mine")
            assert report.leaves_qty == "7" and messages.Side.Name(report.side) == "SIDE_BUY"
            report = await client.cancel(account=1, order_id=report.order_id)
            assert report.ord_status == messages.ORD_STATUS_CANCELED
            report = await client.buy(SYMBOL, 5, account=1)
            assert (report.ord_status, report.last_price) == (messages.ORD_STATUS_FILLED, "101.00")
            answer = await client.AccountService.ListPositions(messages.ListPositionsRequest(account=1))
            assert [(held.symbol, held.qty) for held in answer.positions] == [(SYMBOL, "5")]
            report = await client.sell(SYMBOL, 4_999, price="101", account=1)
            assert report.ord_status == messages.ORD_STATUS_REJECTED and "notional" in report.reject.text, report
            await client.sell(SYMBOL, 5, price="104", account=1, post_only=messages.POST_ONLY_REJECT)
            assert await client.cancel_all(account=1) == 1
            with pytest.raises(TypeError, match="float"):
                await client.buy(SYMBOL, 5, price=98.5, account=1)  # type: ignore[arg-type]
            with pytest.raises(TypeError, match="name the order"):
                await client.cancel(account=1)
            with pytest.raises(tidegate.RefusedError, match="OTHER"):
                await client.buy("OTHER", 5, account=1)
            with pytest.raises(AttributeError, match="OrderService"):
                client.Nothing

    run(work())


def test_streams(server: Server) -> None:
    async def work() -> None:
        async with server.client() as client:
            async for quote in client.quotes([SYMBOL]):
                if quote.bid_price and quote.ask_price:
                    assert (quote.bid_price, quote.ask_price) == ("99.00", "101.00")
                    break
            async for book in client.books([SYMBOL], depth=5):
                assert book.snapshot and book.bids[0].qty == "500"
                break
            trades = client.trades([SYMBOL])
            heard = asyncio.ensure_future(anext(trades))
            await asyncio.sleep(0.2)
            await client.buy(SYMBOL, 2, account=1)
            trade = await heard
            assert (trade.price, trade.qty, trade.aggressor) == ("101.00", "2", messages.SIDE_BUY)
            events = [event async for event in client.events(account=1, stop_at_end=True)]
            kinds = [event.WhichOneof("body") for event in events]
            assert "execution" in kinds and "account_report" in kinds
            after = events[-2].position
            rest = [event async for event in client.events(account=1, after=after, stop_at_end=True)]
            assert rest == events[-1:]

    run(work())


def test_a_stream_of_events_goes_on_over_a_restart(server: Server) -> None:
    async def work() -> None:
        async with server.client() as client:
            await client.buy(SYMBOL, 1, account=1, client_order_id="before")
            events = client.events(account=1, kinds=[messages.EVENT_KIND_EXECUTION])
            while (await anext(events)).execution.ord_status != messages.ORD_STATUS_FILLED:
                pass
            server.config.write_text(
                server.config.read_text().replace('listen = "127.0.0.1:0"', f'listen = "{server.addr.removeprefix("http://")}"')
            )
            heard = asyncio.ensure_future(anext(events))
            await asyncio.to_thread(server.kill)
            await asyncio.to_thread(server.start)
            while True:
                try:
                    await client.buy(SYMBOL, 1, account=1, client_order_id="after", price="98")
                    break
                except tidegate.TidegateError:
                    await asyncio.sleep(0.05)
            assert (await heard).execution.client_order_id == "after"

    run(work())


def test_a_session_and_its_end(server: Server) -> None:
    async def work() -> None:
        async with server.client() as client:
            async with client.order_session() as session:
                opened = await anext(session)
                assert opened.opened.principal == 1
                order = client.order("buy", SYMBOL, 3, "98", account=1, cancel_on_disconnect=True)
                number = await session.send(order)
                async for told in session:
                    if told.engine.execution.exec_type == messages.EXEC_TYPE_NEW:
                        assert told.engine.request_id == number
                        break
            # The session is over: so is its order.
            async for event in client.events(account=1):
                if event.execution.exec_type == messages.EXEC_TYPE_CANCELED:
                    assert event.execution.client_order_id == order.client_order_id
                    break

    run(work())


def test_strangers_are_told_what_to_do(server: Server) -> None:
    async def work() -> None:
        async with Client(server.addr, "not-theirs") as client:
            with pytest.raises(tidegate.RefusedError, match="token"):
                await client.buy(SYMBOL, 1, account=1)
        async with Client("127.0.0.1:9", TOKEN) as client:
            with pytest.raises(tidegate.ConnectError, match="is the server up"):
                await client.instruments()

    run(work())
