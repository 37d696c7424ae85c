"""Replays an event array with hftbacktest, once for each line that it is sent, and answers with a line of JSON. Started by run.py.

Before the first answer the loop is compiled, on the first rows, and the array is in memory.
"""

import json
import resource
import sys
import time

import numpy as np
from hftbacktest import (
    BUY,
    GTC,
    LIMIT,
    SELL,
    BacktestAsset,
    HashMapMarketDepthBacktest,
    ROIVectorMarketDepthBacktest,
)
from numba import float64, njit, uint64
from numba.typed import Dict


@njit
def seen(depth, before):
    """The middle of the book, or that before if a side is empty."""
    middle = (depth.best_bid + depth.best_ask) / 2.0
    return middle if np.isfinite(middle) else before


@njit
def replay(hbt, every_ns):
    """Looks at the book every so often and does nothing."""
    looks = 0
    middle = 0.0
    while hbt.elapse(every_ns) == 0:
        depth = hbt.depth(0)
        middle = seen(depth, middle)
        looks += 1
    return looks, 0, middle


@njit
def grid(hbt, every_ns, orders_a_side, gap_ticks, half_ticks, size, position_max):
    """Keeps a grid of orders on both sides of the middle: the order's price in ticks is its number."""
    tick = hbt.depth(0).tick_size
    gap = gap_ticks * tick
    half = half_ticks * tick
    looks = 0
    sent = 0
    middle = 0.0
    while hbt.elapse(every_ns) == 0:
        looks += 1
        hbt.clear_inactive_orders(0)
        depth = hbt.depth(0)
        position = hbt.position(0)
        middle = seen(depth, middle)
        if not (np.isfinite(depth.best_bid) and np.isfinite(depth.best_ask)):
            continue
        bid = np.floor((middle - half) / gap) * gap
        ask = np.ceil((middle + half) / gap) * gap
        bids = Dict.empty(uint64, float64)
        asks = Dict.empty(uint64, float64)
        if position < position_max:
            for _ in range(orders_a_side):
                bids[uint64(round(bid / tick))] = bid
                bid -= gap
        if position > -position_max:
            for _ in range(orders_a_side):
                asks[uint64(round(ask / tick))] = ask
                ask += gap
        orders = hbt.orders(0)
        values = orders.values()
        while values.has_next():
            order = values.get()
            if order.cancellable:
                if (order.side == BUY and order.order_id not in bids) or (
                    order.side == SELL and order.order_id not in asks
                ):
                    hbt.cancel(0, order.order_id, False)
        for number, price in bids.items():
            if number not in orders:
                hbt.submit_buy_order(0, number, price, size, GTC, LIMIT, False)
                sent += 1
        for number, price in asks.items():
            if number not in orders:
                hbt.submit_sell_order(0, number, price, size, GTC, LIMIT, False)
                sent += 1
    return looks, sent, middle


def backtest(data, spec):
    asset = (
        BacktestAsset()
        .data([data])
        .linear_asset(1.0)
        .constant_order_latency(spec["entry_ns"], spec["answer_ns"])
        .power_prob_queue_model(spec["power"])
        .no_partial_fill_exchange()
        .trading_value_fee_model(0.0, 0.0)
        .tick_size(spec["tick"])
        .lot_size(spec["lot"])
    )
    if spec["depth"] == "roi":
        asset = asset.roi_lb(spec["roi"][0]).roi_ub(spec["roi"][1])
        return ROIVectorMarketDepthBacktest([asset])
    return HashMapMarketDepthBacktest([asset])


def played(hbt, spec):
    every_ns = spec["every_ns"]
    if spec["work"] == "replay":
        return replay(hbt, every_ns)
    return grid(
        hbt,
        every_ns,
        spec["orders_a_side"],
        spec["gap_ticks"],
        spec["half_ticks"],
        spec["size"],
        spec["position_max"],
    )


def run(data, spec):
    begin = time.perf_counter()
    hbt = backtest(data, spec)
    opened = time.perf_counter()
    looks, sent, middle = played(hbt, spec)
    end = time.perf_counter()
    state = hbt.state_values(0)
    found = {
        "seconds": end - opened,
        "open_seconds": opened - begin,
        "rows": len(data),
        "looks": looks,
        "sent": sent,
        "fills": int(state.num_trades),
        "traded": float(state.trading_value),
        "profit": float(state.balance + state.position * middle) if state.num_trades else 0.0,
        "rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    hbt.close()
    return found


def main():
    spec = json.loads(sys.argv[1])
    data = np.load(spec["file"])
    few = backtest(data[:20_000], spec)
    played(few, spec)
    few.close()
    print("ready", flush=True)
    for _ in sys.stdin:
        print(json.dumps(run(data, spec)), flush=True)


main()
