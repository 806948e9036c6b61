"""A client that knows nothing of Authledger: Python's grpcio, and what the node says of itself by reflection.

    python3 client.py <host:port> [--ca FILE] [--token TOKEN]

Prints one line for each call. Needs python3-grpcio and python3-protobuf only.
"""
import argparse
import json

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

arguments = argparse.ArgumentParser()
arguments.add_argument("address")
arguments.add_argument("--ca")
arguments.add_argument("--token")
options = arguments.parse_args()

if options.ca:
    with open(options.ca, "rb") as file:
        channel = grpc.secure_channel(options.address, grpc.ssl_channel_credentials(file.read()))
else:
    channel = grpc.insecure_channel(options.address)
metadata = [("authorization", f"Bearer {options.token}")] if options.token else []


def reflection_types():
    """The two messages of grpc.reflection.v1 that are used here, as far as they are used."""
    file = descriptor_pb2.FileDescriptorProto(name="r.proto", package="r", syntax="proto3")
    request = file.message_type.add(name="Request")
    request.field.add(name="file_containing_symbol", number=4, type=9, label=1)
    request.field.add(name="list_services", number=7, type=9, label=1)
    service = file.message_type.add(name="Service")
    service.field.add(name="name", number=1, type=9, label=1)
    services = file.message_type.add(name="Services")
    services.field.add(name="service", number=1, type=11, label=3, type_name=".r.Service")
    files = file.message_type.add(name="Files")
    files.field.add(name="file", number=1, type=12, label=3)
    response = file.message_type.add(name="Response")
    response.field.add(name="files", number=4, type=11, label=1, type_name=".r.Files")
    response.field.add(name="services", number=6, type=11, label=1, type_name=".r.Services")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    make = message_factory.MessageFactory(pool).GetPrototype
    return [make(pool.FindMessageTypeByName(f"r.{name}")) for name in ("Request", "Response")]


Request, Response = reflection_types()
reflect = channel.stream_stream(
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    request_serializer=Request.SerializeToString,
    response_deserializer=Response.FromString,
)
pool = descriptor_pool.DescriptorPool()
known = set()


def learn(symbol):
    [response] = reflect(iter([Request(file_containing_symbol=symbol)]), timeout=10)
    waiting = [descriptor_pb2.FileDescriptorProto.FromString(data) for data in response.files.file]
    while waiting:
        ready = [file for file in waiting if all(name in known for name in file.dependency)]
        for file in ready:
            if file.name not in known:
                pool.AddSerializedFile(file.SerializeToString())
            known.add(file.name)
            waiting.remove(file)


def call(service, method, request):
    about = pool.FindServiceByName(service).FindMethodByName(method)
    make = message_factory.MessageFactory(pool).GetPrototype
    answer = channel.unary_unary(
        f"/{service}/{method}",
        request_serializer=make(about.input_type).SerializeToString,
        response_deserializer=make(about.output_type).FromString,
    )(json_format.ParseDict(request, make(about.input_type)()), timeout=10, metadata=metadata)
    found = json_format.MessageToDict(answer)
    print(service, method, json.dumps(found)[:100])
    return found


[listed] = reflect(iter([Request(list_services="*")]), timeout=10)
for service in listed.services.service:
    learn(service.name)
print("reflection:", len(listed.services.service), "services")
assert call("grpc.health.v1.Health", "Check", {})["status"] == "SERVING"
AUTHLEDGER = "authledger.v1."
organization = call(AUTHLEDGER + "AdminService", "CreateOrganization", {"name": "python"})
slug = organization["organization"]["slug"]
made = call(AUTHLEDGER + "AdminService", "CreateVault", {"organization": slug, "name": "main"})
vault = {"organization": slug, "vault": made["vault"]["slug"]}
tuple_ = {"resource": "document:budget", "relation": "viewer", "subject": "user:ada"}
operations = [{"createRelationship": {"tuple": tuple_}}]
call(AUTHLEDGER + "WriteService", "Write", {**vault, "transaction": {"operations": operations}})
assert call(AUTHLEDGER + "ReadService", "Check", {**vault, "tuple": tuple_})["allowed"] is True
try:
    call(AUTHLEDGER + "ReadService", "Check", {**vault, "vault": "99", "tuple": tuple_})
    raise AssertionError("a vault that is not there was found")
except grpc.RpcError as error:
    assert error.code() == grpc.StatusCode.NOT_FOUND, error
    details = dict(error.trailing_metadata())["grpc-status-details-bin"]
    assert b"VAULT_NOT_FOUND" in details
    print("refused as documented:", error.details()[:60])
