"""A TorchServe client: grpcio with stubs made from the definitions that the server ships. Arguments: ADDRESS PROTO_DIRECTORY."""
import importlib
import json
import pathlib
import sys
import tempfile

import grpc
from google.protobuf import empty_pb2
from grpc_tools import protoc

address, protos = sys.argv[1], sys.argv[2]
out = tempfile.mkdtemp()
include = pathlib.Path(protoc.__file__).parent / "_proto"
files = ["torchserve_inference.proto", "torchserve_management.proto"]
assert protoc.main(["", f"-I{protos}", f"-I{include}", f"--python_out={out}", f"--grpc_python_out={out}", *files]) == 0
sys.path.insert(0, out)
inference, management = (importlib.import_module(f"torchserve_{name}_pb2") for name in ("inference", "management"))
inference_grpc, management_grpc = (
    importlib.import_module(f"torchserve_{name}_pb2_grpc") for name in ("inference", "management")
)

channel = grpc.insecure_channel(address)
predictions = inference_grpc.InferenceAPIsServiceStub(channel)
manage = management_grpc.ManagementAPIsServiceStub(channel)


def check(name, holds):
    print("ok  " if holds else "FAIL", name)


check("ping", predictions.Ping(empty_pb2.Empty()).health == "Healthy")
request = inference.PredictionsRequest(model_name="one", input={"data": b"[[21]]"})
check("predictions", json.loads(predictions.Predictions(request).prediction) == [[42]])
check("version", json.loads(predictions.Predictions(inference.PredictionsRequest(model_name="one", model_version="1.0", input={"data": b"[21]"})).prediction) == [42])
check("stream", [json.loads(reply.prediction) for reply in predictions.StreamPredictions(request)] == [[[42]]])
models = json.loads(manage.ListModels(management.ListModelsRequest(limit=10)).msg)
check("list", {model["modelName"] for model in models["models"]} >= {"one", "pair", "half"})
described = json.loads(manage.DescribeModel(management.DescribeModelRequest(model_name="one")).msg)
check("describe", described[0]["modelVersion"] == "1.0" and described[0]["workers"][0]["status"] == "READY")
try:
    manage.UnregisterModel(management.UnregisterModelRequest(model_name="one"))
    check("unregistering is refused", False)
except grpc.RpcError as error:
    check("unregistering is refused", error.code() == grpc.StatusCode.PERMISSION_DENIED)
try:
    predictions.Predictions(inference.PredictionsRequest(model_name="absent", input={"data": b"[1]"}))
    check("unknown model", False)
except grpc.RpcError as error:
    check("unknown model", error.code() == grpc.StatusCode.NOT_FOUND)
