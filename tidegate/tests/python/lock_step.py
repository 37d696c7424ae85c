"""A strategy in a backtest that knows nothing but an address: everything else it learns by reflection.

Usage: lock_step.py HOST:PORT [hang|leave|wrong|malformed]. It buys 100 when it first sees an offer, sells them a second of
market time later, and prints one JSON object: what it heard, and what the backtest found. The second argument makes it a
bad strategy.
Needs: pip install grpcio grpcio-reflection
"""

import collections
import json
import queue
import sys
import time

import grpc
from google.protobuf import descriptor_pool, message_factory
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

METHOD = ("tidegate.v1.BacktestService", "Run")
HOLD_NS = 1_000_000_000


class Strategy:
    """Answers steps, one after the other."""

    def __init__(self, answer_class, fault):
        self.answer_class = answer_class
        self.fault = fault
        self.heard = collections.Counter()
        self.fills = []
        self.refused = []
        self.symbol = None
        self.sell_at = 0
        self.names = 0

    def order(self, answer, account, side, qty="100"):
        self.names += 1
        order = answer.requests.add().submit
        order.account = account
        order.symbol = self.symbol
        order.client_order_id = f"py-{self.names}"
        order.side = side  # SIDE_BUY 1, SIDE_SELL 2
        order.order_type = 1  # ORDER_TYPE_MARKET
        order.time_in_force = 3  # TIME_IN_FORCE_IOC
        order.qty = qty

    def answer(self, step):
        answer = self.answer_class(step=step.step + (self.fault == "wrong" and step.step > 3))
        for item in step.items:
            what = item.WhichOneof("item")
            self.heard[what] += 1
            if what == "quote" and self.symbol is None and item.quote.ask_price:
                self.symbol = item.quote.symbol
                self.order(answer, step.account, 1, "1.5" if self.fault == "malformed" else "100")
                self.sell_at = step.now + HOLD_NS
            elif what == "event" and item.event.execution.exec_type == 2:  # EXEC_TYPE_TRADE
                self.fills.append(item.event.execution)
            elif what == "refused":
                self.refused.append(f"{item.refused.client_order_id} {item.refused.field}")
                self.order(answer, step.account, 1)
            elif what == "timer":
                self.order(answer, step.account, 2)
                self.sell_at = 0
        answer.wake_at = self.sell_at
        return answer


def main():
    address, fault = sys.argv[1], (sys.argv[2:] + [""])[0]
    with grpc.insecure_channel(address) as channel:
        pool = descriptor_pool.DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
        method = pool.FindServiceByName(METHOD[0]).FindMethodByName(METHOD[1])
        answer_class = message_factory.GetMessageClass(method.input_type)
        step_class = message_factory.GetMessageClass(method.output_type)
        run = channel.stream_stream(
            "/" + "/".join(METHOD),
            request_serializer=answer_class.SerializeToString,
            response_deserializer=step_class.FromString,
        )
        answers = queue.Queue()
        strategy = Strategy(answer_class, fault)
        said = {}
        for step in run(iter(answers.get, None)):
            if step.summary:
                said["summary"] = json.loads(step.summary)
                break
            if step.step == 5 and fault == "leave":
                break
            if step.step == 5 and fault == "hang":
                time.sleep(60)
            answers.put(strategy.answer(step))
        answers.put(None)
    said["heard"] = strategy.heard
    said["fills"] = [f"{fill.side} {fill.last_qty} {fill.last_price}" for fill in strategy.fills]
    said["refused"] = strategy.refused
    print(json.dumps(said))


if __name__ == "__main__":
    main()
