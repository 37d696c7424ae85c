"""Replays an event array with the backtest engine of nautilus_trader, once for each line that it is sent, and answers with a line
of JSON. Started by run.py.

Its data objects are made and sorted before the clock starts; the clock is around the engine's run alone. It has a latency model,
and no model of the queue for a book of levels: an order that rests is filled by what the book or a trade crosses.
"""

import json
import resource
import sys
import time
from decimal import Decimal

import numpy as np
from nautilus_trader.backtest.engine import BacktestEngine
from nautilus_trader.backtest.models import FillModel, LatencyModel
from nautilus_trader.config import BacktestEngineConfig, LoggingConfig, RiskEngineConfig
from nautilus_trader.model.book import OrderBook
from nautilus_trader.model.currencies import BTC, USDT
from nautilus_trader.model.data import BookOrder, OrderBookDelta, TradeTick
from nautilus_trader.model.enums import (
    AccountType,
    AggressorSide,
    BookAction,
    BookType,
    OmsType,
    OrderSide,
    TimeInForce,
)
from nautilus_trader.model.identifiers import InstrumentId, Symbol, TradeId, Venue
from nautilus_trader.model.instruments import CryptoPerpetual
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.trading.strategy import Strategy

OURS, BUY = 1 << 30, 1 << 29
VENUE = Venue("SIM")
ID = InstrumentId(Symbol("BTCUSDT"), VENUE)
PRICE_DIGITS, SIZE_DIGITS = 1, 3


def instrument():
    return CryptoPerpetual(
        instrument_id=ID,
        raw_symbol=Symbol("BTCUSDT"),
        base_currency=BTC,
        quote_currency=USDT,
        settlement_currency=USDT,
        is_inverse=False,
        price_precision=PRICE_DIGITS,
        price_increment=Price(0.1, PRICE_DIGITS),
        size_precision=SIZE_DIGITS,
        size_increment=Quantity(0.001, SIZE_DIGITS),
        ts_event=0,
        ts_init=0,
        margin_init=Decimal(0),
        margin_maint=Decimal(0),
        maker_fee=Decimal(0),
        taker_fee=Decimal(0),
    )


def objects(rows):
    """Deltas and trades of an event array, by the time at which they were received."""
    made = []
    for number, row in enumerate(rows):
        ev = int(row["ev"])
        if not ev & OURS:
            continue
        kind, is_buy = ev & 0xFF, bool(ev & BUY)
        at, seen = int(row["exch_ts"]), int(row["local_ts"])
        px, qty = float(row["px"]), float(row["qty"])
        if kind == 2:
            side = AggressorSide.BUYER if is_buy else AggressorSide.SELLER
            price, size = Price(px, PRICE_DIGITS), Quantity(qty, SIZE_DIGITS)
            made.append(TradeTick(ID, price, size, side, TradeId(str(number)), at, seen))
        elif kind in (1, 4):
            action = BookAction.UPDATE if qty > 0 else BookAction.DELETE
            side = OrderSide.BUY if is_buy else OrderSide.SELL
            order = BookOrder(side, Price(px, PRICE_DIGITS), Quantity(qty, SIZE_DIGITS), 0)
            made.append(OrderBookDelta(ID, action, order, 0, number, at, seen))
    return made


class Looks(Strategy):
    """Keeps a book of its own and looks at it every so often; with `grid`, keeps orders on both sides of the middle."""

    def __init__(self, spec):
        super().__init__()
        self.spec = spec
        self.book = OrderBook(ID, BookType.L2_MBP)
        self.looks = self.sent = self.fills = 0
        self.traded = 0.0
        self.open = {}
        self.next_at = 0

    def on_start(self):
        self.subscribe_order_book_deltas(ID, BookType.L2_MBP)
        self.subscribe_trade_ticks(ID)
        self.terms = self.cache.instrument(ID)

    def on_order_book_deltas(self, deltas):
        self.book.apply_deltas(deltas)
        if deltas.ts_init >= self.next_at:
            self.next_at = deltas.ts_init + self.spec["every_ns"]
            self.looks += 1
            if self.spec["work"] == "grid":
                self.look()

    def look(self):
        spec = self.spec
        bid, ask = self.book.best_bid_price(), self.book.best_ask_price()
        if bid is None or ask is None:
            return
        bid, ask = round(float(bid) * 10), round(float(ask) * 10)
        held = float(self.portfolio.net_position(ID))
        gap, half = spec["gap_ticks"], spec["half_ticks"]
        low = (bid + ask - 2 * half) // (2 * gap) * gap
        high = -(-(bid + ask + 2 * half) // (2 * gap)) * gap
        wanted = set()
        if held < spec["position_max"]:
            wanted |= {(OrderSide.BUY, low - i * gap) for i in range(spec["orders_a_side"])}
        if held > -spec["position_max"]:
            wanted |= {(OrderSide.SELL, high + i * gap) for i in range(spec["orders_a_side"])}
        for at, order in self.open.items():
            if at not in wanted and order.is_open and not order.is_pending_cancel:
                self.cancel_order(order)
        for side, tick in wanted - self.open.keys():
            order = self.order_factory.limit(
                ID,
                side,
                Quantity(spec["size"], SIZE_DIGITS),
                Price(tick / 10, PRICE_DIGITS),
                TimeInForce.GTC,
            )
            self.open[side, tick] = order
            self.submit_order(order)
            self.sent += 1

    def closed(self, event):
        order = self.cache.order(event.client_order_id)
        if order.is_closed:
            self.open.pop((order.side, round(float(order.price) * 10)), None)

    def on_order_filled(self, event):
        self.fills += 1
        self.traded += float(event.last_px) * float(event.last_qty)
        self.closed(event)

    def on_order_canceled(self, event):
        self.closed(event)

    def on_order_rejected(self, event):
        self.closed(event)


def engine_of(spec, data):
    quiet = LoggingConfig(bypass_logging=True)
    engine = BacktestEngine(
        BacktestEngineConfig(
            logging=quiet, risk_engine=RiskEngineConfig(bypass=True), run_analysis=False
        )
    )
    engine.add_venue(
        venue=VENUE,
        oms_type=OmsType.NETTING,
        account_type=AccountType.MARGIN,
        starting_balances=[Money(1_000_000, USDT)],
        book_type=BookType.L2_MBP,
        fill_model=FillModel(prob_fill_on_limit=1.0, prob_slippage=0.0),
        latency_model=LatencyModel(base_latency_nanos=spec["entry_ns"]),
        trade_execution=True,
    )
    engine.add_instrument(instrument())
    engine.add_data(data, sort=True)
    strategy = Looks(spec)
    engine.add_strategy(strategy)
    return engine, strategy


def run(data, rows, spec):
    begin = time.perf_counter()
    engine, strategy = engine_of(spec, data)
    opened = time.perf_counter()
    engine.run()
    end = time.perf_counter()
    found = {
        "seconds": end - opened,
        "open_seconds": opened - begin,
        "rows": rows,
        "looks": strategy.looks,
        "sent": strategy.sent,
        "fills": strategy.fills,
        "traded": strategy.traded,
        "rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    engine.dispose()
    return found


def main():
    spec = json.loads(sys.argv[1])
    rows = np.load(spec["file"], mmap_mode="r")[: spec["rows_max"]]
    data = objects(rows)
    print("ready", flush=True)
    for _ in sys.stdin:
        print(json.dumps(run(data, len(rows), spec)), flush=True)


main()
