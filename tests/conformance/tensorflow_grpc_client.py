"""
A TensorFlow Serving gRPC client against our server, and the standard health client. The messages come from packages/serve/proto,
compiled by protoc, or, with `installed` in the place of that path, from the package tensorflow-serving-api, which needs all of
TensorFlow; then our definitions are compared with it as well. Prints one line per check; exits 1 at the first that fails.
"""

import base64
import importlib
import os
import re
import sys
import tempfile
import threading
import types

import grpc
import numpy as np


def check(name, condition):
    print(("ok   " if condition else "FAIL ") + name, flush=True)
    if not condition:
        sys.exit(1)


FILES = ["tensorflow", "tensorflow_error", "tensorflow_serving"]


def compiled(protos):
    """The messages and stubs of packages/serve/proto."""
    import grpc_tools
    from grpc_tools import protoc

    out = tempfile.mkdtemp()
    google = os.path.join(os.path.dirname(grpc_tools.__file__), "_proto")
    arguments = ["", f"-I{protos}", f"-I{google}", f"--python_out={out}", f"--grpc_python_out={out}"]
    check("protoc accepts the definitions", protoc.main(arguments + [os.path.join(protos, f"{name}.proto") for name in FILES]) == 0)
    sys.path.insert(0, out)
    return [importlib.import_module(name) for name in ("tensorflow_pb2", "tensorflow_serving_pb2", "tensorflow_serving_pb2_grpc")]


def installed():
    """Those of tensorflow-serving-api, under the same names."""
    tf, tfs, services = types.SimpleNamespace(), types.SimpleNamespace(), types.SimpleNamespace()
    core = ["framework.tensor_pb2", "framework.tensor_shape_pb2", "framework.types_pb2", "example.example_pb2", "example.feature_pb2"]
    apis = ["classification", "get_model_metadata", "get_model_status", "inference", "input", "model", "model_management", "model_service", "predict", "prediction_service", "regression"]
    for namespace, names in (
        (tf, [f"tensorflow.core.{name}" for name in core]),
        (tfs, [f"tensorflow_serving.apis.{name}_pb2" for name in apis] + ["tensorflow_serving.config.model_server_config_pb2"]),
        (services, [f"tensorflow_serving.apis.{name}_service_pb2_grpc" for name in ("prediction", "model")]),
    ):
        for name in names:
            for key, value in vars(importlib.import_module(name)).items():
                if not key.startswith("_"):
                    setattr(namespace, key, value)
    compare()
    return tf, tfs, services


def compare():
    """Every message, field, value and call that we define is in the package, and the same."""
    from google.protobuf import descriptor_pb2, descriptor_pool

    pool = descriptor_pool.Default()
    generated = os.path.join(os.path.dirname(__file__), "../../packages/serve/src/grpc/generated/descriptors.ts")
    with open(generated, encoding="utf-8") as file:
        ours = descriptor_pb2.FileDescriptorSet.FromString(base64.b64decode("".join(re.findall(r"^  '(.*)',$", file.read(), re.M))))
    compared, different = 0, []

    def message(of, scope):
        nonlocal compared
        theirs = descriptor_pb2.DescriptorProto()
        pool.FindMessageTypeByName(scope + of.name).CopyToProto(theirs)
        fields = {field.name: field for field in theirs.field}
        for field in of.field:
            compared += 1
            real = fields.get(field.name)
            if real is None or any(getattr(real, key) != getattr(field, key) for key in ("number", "type", "label", "type_name")):
                different.append(f"{scope}{of.name}.{field.name}")
        for nested in of.nested_type:
            message(nested, f"{scope}{of.name}.")
        for enum in of.enum_type:
            values(enum, f"{scope}{of.name}.")

    def values(of, scope):
        nonlocal compared
        theirs = pool.FindEnumTypeByName(scope + of.name).values_by_name
        for value in of.value:
            compared += 1
            if value.name not in theirs or theirs[value.name].number != value.number:
                different.append(f"{scope}{of.name}.{value.name}")

    for file in ours.file:
        if not file.package.startswith("tensorflow"):
            continue
        for of in file.message_type:
            message(of, f"{file.package}.")
        for of in file.enum_type:
            values(of, f"{file.package}.")
        for service in file.service:
            methods = pool.FindServiceByName(f"{file.package}.{service.name}").methods_by_name
            ours_by_name = {method.name: (method.input_type[1:], method.output_type[1:]) for method in service.method}
            theirs_by_name = {name: (of.input_type.full_name, of.output_type.full_name) for name, of in methods.items()}
            compared += len(theirs_by_name)
            if ours_by_name != theirs_by_name:
                different.append(service.name)
    check(f"{compared} definitions are those of tensorflow-serving-api {different or ''}", compared > 150 and different == [])


def watched(channel):
    try:
        from grpc_health.v1 import health_pb2, health_pb2_grpc
    except ImportError:
        print("ok   (no grpcio-health-checking here: health is not asked)")
        return
    health = health_pb2_grpc.HealthStub(channel)
    check("health", health.Check(health_pb2.HealthCheckRequest()).status == health_pb2.HealthCheckResponse.SERVING)
    service = health_pb2.HealthCheckRequest(service="tensorflow.serving.PredictionService")
    check("health of a service", health.Check(service).status == health_pb2.HealthCheckResponse.SERVING)
    watching = health.Watch(health_pb2.HealthCheckRequest())
    check("health is watched", next(watching).status == health_pb2.HealthCheckResponse.SERVING)
    watching.cancel()


def main(address, protos):
    tf, tfs, services = installed() if protos == "installed" else compiled(protos)
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

    def examples(*rows, context=None):
        def example(features):
            kinds = {float: ("float_list", tf.FloatList), int: ("int64_list", tf.Int64List), bytes: ("bytes_list", tf.BytesList)}
            made = {}
            for name, values in features.items():
                field, kind = kinds[type(values[0])]
                made[name] = tf.Feature(**{field: kind(value=values)})
            return tf.Example(features=tf.Features(feature=made))

        given = [example(row) for row in rows]
        if context is None:
            return tfs.Input(example_list=tfs.ExampleList(examples=given))
        return tfs.Input(example_list_with_context=tfs.ExampleListWithContext(examples=given, context=example(context)))

    def classified(result):
        return [[(of.label, of.score) for of in row.classes] for row in result.classifications]

    def values_of(result):
        return [of.value for of in result.regressions]

    spec = tfs.ModelSpec(name="one")
    answer = prediction.Regress(tfs.RegressionRequest(model_spec=spec, input=examples({"x": [1.5]}, {"x": [2]})), timeout=10)
    check("regress", values_of(answer.result) == [3.0, 4.0] and answer.model_spec.signature_name == "serving_default")
    answer = prediction.Regress(tfs.RegressionRequest(model_spec=spec, input=examples({}, {"x": [2.0]}, context={"x": [5.0]})), timeout=10)
    check("regress with a context", values_of(answer.result) == [10.0, 4.0])
    animals = tfs.ModelSpec(name="animals", signature_name="classification")
    answer = prediction.Classify(tfs.ClassificationRequest(model_spec=animals, input=examples({"in": [0.25, 0.75]})), timeout=10)
    check("classify with the labels of the release", classified(answer.result) == [[("cat", 0.25), ("dog", 0.75)]])
    check("the signature that was asked for", answer.model_spec.signature_name == "classification")
    tasks = [
        tfs.InferenceTask(model_spec=spec, method_name="tensorflow/serving/regress"),
        tfs.InferenceTask(model_spec=spec, method_name="tensorflow/serving/classify"),
    ]
    answer = prediction.MultiInference(tfs.MultiInferenceRequest(tasks=tasks, input=examples({"x": [1.5]})), timeout=10)
    first, second = answer.results
    check("multi-inference", values_of(first.regression_result) == [3.0] and classified(second.classification_result) == [[("0", 3.0)]])

    def reload():
        config = tfs.ModelServerConfig(model_config_list=tfs.ModelConfigList(config=[tfs.ModelConfig(name="x", base_path="/x")]))
        models.HandleReloadConfigRequest(tfs.ReloadConfigRequest(config=config), timeout=10)

    twice = tfs.MultiInferenceRequest(tasks=[tasks[0], tasks[0]], input=examples({"x": [1.5]}))
    other = tfs.InferenceTask(model_spec=tfs.ModelSpec(name="animals"), method_name="tensorflow/serving/regress")
    mixed = tfs.MultiInferenceRequest(tasks=[tasks[0], other], input=examples({"x": [1.5]}))
    for name, code, text, call in (
        ("a missing feature", "INVALID_ARGUMENT", 'feature "x": is missing', lambda: prediction.Regress(tfs.RegressionRequest(model_spec=spec, input=examples({"y": [1.5]})))),
        ("no examples", "INVALID_ARGUMENT", "Input is empty.", lambda: prediction.Regress(tfs.RegressionRequest(model_spec=spec))),
        ("a model that is no regressor", "INVALID_ARGUMENT", "[batch_size, 1]", lambda: prediction.Regress(tfs.RegressionRequest(model_spec=tfs.ModelSpec(name="animals"), input=examples({"in": [0.25, 0.75]})))),
        ("a duplicate task", "INVALID_ARGUMENT", "Duplicate evaluation of signature: serving_default", lambda: prediction.MultiInference(twice)),
        ("tasks of several models", "INVALID_ARGUMENT", "must access the same model name", lambda: prediction.MultiInference(mixed)),
        ("examples of an unknown model", "NOT_FOUND", "Servable not found for request: Latest(no)", lambda: prediction.Classify(tfs.ClassificationRequest(model_spec=tfs.ModelSpec(name="no")))),
        ("status of an unknown version", "NOT_FOUND", "Could not find version 7 of model one", lambda: models.GetModelStatus(tfs.GetModelStatusRequest(model_spec=tfs.ModelSpec(name="one", version={"value": 7})))),
        ("a duplicate output", "INVALID_ARGUMENT", "duplicate output tensor alias: y", lambda: ask("one", {"x": typed}, output_filter=["y", "y"])),
        ("a reload that is not allowed", "PERMISSION_DENIED", "does not let clients", reload),
    ):
        try:
            call()
            check(f"error for {name}", False)
        except grpc.RpcError as error:
            check(f"error for {name}: {error.code().name} {error.details()}", error.code().name == code and text in error.details())
    session = channel.unary_unary("/tensorflow.serving.SessionService/SessionRun", lambda _: b"", lambda _: _)
    try:
        session(None)
        check("error for SessionRun", False)
    except grpc.RpcError as error:
        check("error for SessionRun", error.code().name == "UNIMPLEMENTED" and "use Predict" in error.details())

    watched(channel)

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
