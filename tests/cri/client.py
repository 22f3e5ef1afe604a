#!/usr/bin/python3
"""Calls one method of a Container Runtime Interface over its socket; cri_pb2, made from cri.proto, is in PYTHONPATH.

    client.py SOCKET METHOD [REQUEST]      REQUEST, and the answer on stdout, are the messages as JSON

An answer that is an error is the last line on stderr, and status 1.
"""
import sys

import cri_pb2
import grpc
from google.protobuf import json_format


def find(name):
    """The path of a method, and the classes of its request and its answer."""
    for service in cri_pb2.DESCRIPTOR.services_by_name.values():
        method = service.methods_by_name.get(name)
        if method:
            classes = [getattr(cri_pb2, kind.name) for kind in (method.input_type, method.output_type)]
            return f"/{service.full_name}/{name}", *classes
    sys.exit(f"client.py: no method '{name}'")


def main():
    socket, name = sys.argv[1:3]
    path, request_class, answer_class = find(name)
    request = json_format.Parse(sys.argv[3] if len(sys.argv) > 3 else "{}", request_class())
    with grpc.insecure_channel(f"unix://{socket}") as channel:
        call = channel.unary_unary(path, request_class.SerializeToString, answer_class.FromString)
        try:
            answer = call(request, timeout=50)
        except grpc.RpcError as error:
            sys.exit(f"{name}: {error.details()}")
    print(json_format.MessageToJson(answer, preserving_proto_field_name=True))


main()
