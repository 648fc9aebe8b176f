"""
A TensorFlow Serving gRPC client (grpcio, with stubs made by protoc from packages/serve/proto) against our server, and the standard
health client. Prints one line per check; exits 1 at the first that fails.
"""

import importlib
import os
import sys
import tempfile
import threading

import grpc
import numpy as np
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_tools import protoc


def check(name, condition):
    print(("ok   " if condition else "FAIL ") + name, flush=True)
    if not condition:
        sys.exit(1)


def stubs(protos):
    import grpc_tools

    out = tempfile.mkdtemp()
    google = os.path.join(os.path.dirname(grpc_tools.__file__), "_proto")
    arguments = ["", f"-I{protos}", f"-I{google}", f"--python_out={out}", f"--grpc_python_out={out}"]
    files = [os.path.join(protos, name) for name in ("tensorflow.proto", "tensorflow_serving.proto")]
    check("protoc accepts the definitions", protoc.main(arguments + files) == 0)
    sys.path.insert(0, out)
    return [importlib.import_module(name) for name in ("tensorflow_pb2", "tensorflow_serving_pb2", "tensorflow_serving_pb2_grpc")]


def main(address, protos):
    tf, tfs, services = stubs(protos)
    channel = grpc.insecure_channel(address)
    prediction = services.PredictionServiceStub(channel)
    models = services.ModelServiceStub(channel)

    def shape(*sizes):
        return tf.TensorShapeProto(dim=[tf.TensorShapeProto.Dim(size=size) for size in sizes])

    def ask(model, inputs, **spec):
        output_filter = spec.pop("output_filter", [])
        model_spec = tfs.ModelSpec(name=model, **spec)
        request = tfs.PredictRequest(model_spec=model_spec, inputs=inputs, output_filter=output_filter)
        return prediction.Predict(request, timeout=10)

    rows = np.array([[1.5], [-2.0], [0.0]], dtype=np.float32)
    content = tf.TensorProto(dtype=tf.DT_FLOAT, tensor_shape=shape(3, 1), tensor_content=rows.tobytes())
    answer = ask("one", {"x": content})
    check("predict, tensor_content", list(answer.outputs["y"].float_val) == [3.0, -4.0, 0.0])
    check("dtype and shape", answer.outputs["y"].dtype == tf.DT_FLOAT and [dim.size for dim in answer.outputs["y"].tensor_shape.dim] == [3, 1])
    spec = answer.model_spec
    check("model spec", (spec.name, spec.version.value, spec.signature_name) == ("one", 1, "serving_default"))
    typed = tf.TensorProto(dtype=tf.DT_FLOAT, tensor_shape=shape(3, 1), float_val=[1.5, -2.0, 0.0])
    check("predict, float_val", list(ask("one", {"x": typed}, signature_name="serving_default").outputs["y"].float_val) == [3.0, -4.0, 0.0])
    one = tf.TensorProto(dtype=tf.DT_FLOAT, tensor_shape=shape(4, 1), float_val=[2.5])
    check("one value stands for all", list(ask("one", {"x": one}, version={"value": 1}).outputs["y"].float_val) == [5.0] * 4)

    strings = tf.TensorProto(dtype=tf.DT_STRING, tensor_shape=shape(1, 2), string_val=[b"a", "é✓".encode()])
    numbers = tf.TensorProto(dtype=tf.DT_INT64, tensor_shape=shape(1, 2), int64_val=[-(2**63), 2**53 + 1])
    answer = ask("pair", {"in": strings, "in2": numbers})
    check("strings", list(answer.outputs["out"].string_val) == [b"a", "é✓".encode()])
    check("int64", list(answer.outputs["out2"].int64_val) == [-(2**63), 2**53 + 1])
    check("output_filter", list(ask("pair", {"in": strings, "in2": numbers}, output_filter=["out2"]).outputs) == ["out2"])

    bits = [int(value) for value in np.array([0.5, -65504], dtype=np.float16).view(np.uint16)]
    half = tf.TensorProto(dtype=tf.DT_HALF, tensor_shape=shape(1, 2), half_val=bits)
    check("half", list(ask("half", {"in": half}).outputs["out"].half_val) == bits)

    metadata = prediction.GetModelMetadata(tfs.GetModelMetadataRequest(model_spec=tfs.ModelSpec(name="one"), metadata_field=["signature_def"]))
    signatures = tfs.SignatureDefMap()
    check("metadata is packed as Any", metadata.metadata["signature_def"].Unpack(signatures))
    signature = signatures.signature_def["serving_default"]
    check("signature", signature.method_name == "tensorflow/serving/predict" and signature.inputs["x"].dtype == tf.DT_FLOAT)
    check("signature shape", [dim.size for dim in signature.outputs["y"].tensor_shape.dim] == [-1, 1])
    (status,) = models.GetModelStatus(tfs.GetModelStatusRequest(model_spec=tfs.ModelSpec(name="one"))).model_version_status
    check("model status", (status.version, status.state, status.status.error_code) == (1, tfs.ModelVersionStatus.AVAILABLE, 0))

    for name, code, text, call in (
        ("unknown model", "NOT_FOUND", "Servable not found for request: Latest(nothing)", lambda: ask("nothing", {})),
        ("unknown version", "NOT_FOUND", "Servable not found for request: Specific(one, 7)", lambda: ask("one", {}, version={"value": 7})),
        ("unknown label", "INVALID_ARGUMENT", "Unrecognized servable version label: stable", lambda: ask("one", {}, version_label="stable")),
        ("unknown signature", "INVALID_ARGUMENT", "Serving signature name", lambda: ask("one", {"x": typed}, signature_name="other")),
        ("missing input", "INVALID_ARGUMENT", "x", lambda: ask("one", {})),
        ("no model name", "INVALID_ARGUMENT", "Missing model name", lambda: ask("", {})),
        (
            "a shape far larger than its values",
            "RESOURCE_EXHAUSTED",
            "larger than",
            lambda: ask("one", {"x": tf.TensorProto(dtype=tf.DT_FLOAT, tensor_shape=shape(2**31, 1), float_val=[1])}),
        ),
        ("no metadata field", "INVALID_ARGUMENT", "at least one", lambda: prediction.GetModelMetadata(tfs.GetModelMetadataRequest(model_spec=tfs.ModelSpec(name="one")))),
    ):
        try:
            call()
            check(f"error for {name}", False)
        except grpc.RpcError as error:
            check(f"error for {name}: {error.code().name}", error.code().name == code and text in error.details())

    health = health_pb2_grpc.HealthStub(channel)
    check("health", health.Check(health_pb2.HealthCheckRequest()).status == health_pb2.HealthCheckResponse.SERVING)
    service = health_pb2.HealthCheckRequest(service="tensorflow.serving.PredictionService")
    check("health of a service", health.Check(service).status == health_pb2.HealthCheckResponse.SERVING)
    watching = health.Watch(health_pb2.HealthCheckRequest())
    check("health is watched", next(watching).status == health_pb2.HealthCheckResponse.SERVING)
    watching.cancel()

    failures = []

    def many():
        for _ in range(100):
            if list(ask("one", {"x": typed}).outputs["y"].float_val) != [3.0, -4.0, 0.0]:
                failures.append(1)

    threads = [threading.Thread(target=many) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check("requests at the same time", failures == [])


main(sys.argv[1], sys.argv[2])
