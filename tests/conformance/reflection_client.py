"""
What grpcurl does, in Python: learns the services of our server by reflection (grpcio-reflection), makes the messages of a call from
what it learnt, and calls. Prints one line per check; exits 1 at the first that fails.
"""

import sys

import grpc
from google.protobuf import descriptor_pool, json_format, message_factory
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase


def check(name, condition):
    print(("ok   " if condition else "FAIL ") + name, flush=True)
    if not condition:
        sys.exit(1)


def main(address):
    channel = grpc.insecure_channel(address)
    database = ProtoReflectionDescriptorDatabase(channel)
    services = list(database.get_services())
    check("services are listed", "inference.GRPCInferenceService" in services and "tensorflow.serving.PredictionService" in services)
    pool = descriptor_pool.DescriptorPool(database)

    def invoke(service, method, request):
        descriptor = pool.FindServiceByName(service).FindMethodByName(method)
        ask = message_factory.GetMessageClass(descriptor.input_type)
        answer = message_factory.GetMessageClass(descriptor.output_type)
        call = channel.unary_unary(f"/{service}/{method}", ask.SerializeToString, answer.FromString)
        reply = call(json_format.ParseDict(request, ask()), timeout=10)
        return json_format.MessageToDict(reply, preserving_proto_field_name=True, descriptor_pool=pool)

    for service in services:
        methods = pool.FindServiceByName(service).methods
        check(f"{service} has {len(methods)} methods", len(methods) > 0)

    live = invoke("inference.GRPCInferenceService", "ServerLive", {})
    check("a call made from what was learnt", live == {"live": True})
    predict = {
        "model_spec": {"name": "one"},
        "inputs": {"x": {"dtype": "DT_FLOAT", "tensor_shape": {"dim": [{"size": 1}, {"size": 1}]}, "float_val": [21]}},
    }
    outputs = invoke("tensorflow.serving.PredictionService", "Predict", predict)["outputs"]
    check("Predict", outputs["y"]["float_val"] == [42.0])
    status = invoke("tensorflow.serving.ModelService", "GetModelStatus", {"model_spec": {"name": "one"}})
    check("GetModelStatus", status["model_version_status"][0]["state"] == "AVAILABLE")


main(sys.argv[1])
