"""A client that knows nothing of Tidegate but an address and a token: everything else it learns by reflection.

Usage: stock_client.py HOST:PORT SYMBOL, with the token in TIDEGATE_TOKEN. Prints one JSON object.
Needs: pip install grpcio grpcio-reflection
"""

import json
import os
import sys

import grpc
from google.protobuf import descriptor_pool, json_format, message_factory
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

TIMEOUT_S = 20


def caller(channel, pool, method):
    """A function that calls `package.Service/Method` with fields given by name."""
    service_name, method_name = method.split("/")
    found = pool.FindServiceByName(service_name).FindMethodByName(method_name)
    request_class = message_factory.GetMessageClass(found.input_type)
    response_class = message_factory.GetMessageClass(found.output_type)
    make = channel.unary_stream if found.server_streaming else channel.unary_unary
    stub = make(
        f"/{method}",
        request_serializer=request_class.SerializeToString,
        response_deserializer=response_class.FromString,
    )

    def call(metadata=(), **fields):
        request = json_format.ParseDict(fields, request_class())
        return stub(request, metadata=metadata, timeout=TIMEOUT_S)

    return call


def as_dict(message):
    return json_format.MessageToDict(message, preserving_proto_field_name=True)


def main():
    address, symbol = sys.argv[1:3]
    metadata = (("authorization", "Bearer " + os.environ["TIDEGATE_TOKEN"]),)
    with grpc.insecure_channel(address) as channel:
        database = ProtoReflectionDescriptorDatabase(channel)
        pool = descriptor_pool.DescriptorPool(database)
        said = {"services": sorted(database.get_services())}

        health = caller(channel, pool, "grpc.health.v1.Health/Check")(service="tidegate.v1.OrderService")
        said["health"] = as_dict(health)["status"]

        submit = caller(channel, pool, "tidegate.v1.OrderService/SubmitOrder")
        order = {
            "account": 1,
            "symbol": symbol,
            "client_order_id": "from-python",
            "side": "SIDE_BUY",
            "order_type": "ORDER_TYPE_LIMIT",
            "time_in_force": "TIME_IN_FORCE_IOC",
            "qty": "100",
            "price": "10.02",
        }
        try:
            submit(**order)
        except grpc.RpcError as error:
            said["without_token"] = error.code().name
        said["answer"] = as_dict(submit(metadata, **order))["report"]

        events = caller(channel, pool, "tidegate.v1.EventService/StreamEvents")
        for message in events(account=1, stop_at_end=True):
            report = as_dict(message).get("event", {}).get("execution", {})
            if report.get("exec_type") == "EXEC_TYPE_TRADE":
                said["fill"] = report
        print(json.dumps(said))


if __name__ == "__main__":
    main()
