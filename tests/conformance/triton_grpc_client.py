"""What NVIDIA's own gRPC client makes of our Open Inference Protocol server. Prints one line per check; exits 1 at the first that fails."""

import json
import os
import queue
import sys

import grpc
import ml_dtypes
import numpy as np
import tritonclient.grpc as triton
import tritonclient.utils.shared_memory as shm
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import InferenceServerException


def check(name, condition):
    print(("ok   " if condition else "FAIL ") + name, flush=True)
    if not condition:
        sys.exit(1)


def refused(name, status, text, call):
    try:
        call()
        check(f"error for {name}", False)
    except InferenceServerException as error:
        check(f"error for {name}: {error.status()} {error.message()}", error.status() == f"StatusCode.{status}" and text in error.message())


def filled(name, array, datatype):
    tensor = triton.InferInput(name, list(array.shape), datatype)
    tensor.set_data_from_numpy(array)
    return tensor


def main(_, address, model_file):
    client = triton.InferenceServerClient(address)
    check("server live", client.is_server_live())
    check("server ready", client.is_server_ready())
    check("model ready", client.is_model_ready("one"))
    check("version ready", client.is_model_ready("one", "1"))
    check("unknown model is not ready", not client.is_model_ready("nothing"))
    extensions = client.get_server_metadata().extensions
    check("server metadata", {"binary_tensor_data", "classification", "statistics", "system_shared_memory"} <= set(extensions))
    metadata = client.get_model_metadata("one", as_json=True)
    check("model metadata", metadata["inputs"] == [{"name": "x", "datatype": "FP32", "shape": ["-1", "1"]}])
    check("model versions", metadata["versions"] == ["1"] and metadata["platform"] == "onnxruntime_onnx")
    index = client.get_model_repository_index().models
    check("repository index", {"one": "READY", "pair": "READY", "half": "READY"} == {each.name: each.state for each in index})
    config = client.get_model_config("pair").config
    check("model config", config.name == "pair" and config.backend == "onnxruntime" and config.max_batch_size == 64)
    check("config of tensors", [(each.name, each.data_type, list(each.dims)) for each in config.input] == [("in", 13, [2]), ("in2", 9, [2])])
    check("config of scheduling", config.HasField("dynamic_batching") and config.instance_group[0].count == 1 and config.version_policy.latest.num_versions == 1)

    rows = np.array([[1.5], [np.nan], [-2.0]], dtype=np.float32)
    tensor = filled("x", rows, "FP32")
    wanted = triton.InferRequestedOutput("y")
    result = client.infer("one", [tensor], outputs=[wanted], request_id="id-1")
    check("infer", np.array_equal(result.as_numpy("y"), rows * 2, equal_nan=True))
    check("request id echoed", result.get_response().id == "id-1")
    result = client.infer("one", [tensor], model_version="1", headers={"x-request-id": "mine"}, client_timeout=10)
    check("infer, no outputs named", np.array_equal(result.as_numpy("y"), rows * 2, equal_nan=True))
    for algorithm in ("gzip", "deflate"):
        result = client.infer("one", [tensor], compression_algorithm=algorithm)
        check(f"infer, {algorithm}", np.array_equal(result.as_numpy("y"), rows * 2, equal_nan=True))
    empty = client.infer("one", [filled("x", np.zeros((0, 1), dtype=np.float32), "FP32")])
    check("no rows", empty.as_numpy("y").shape == (0, 1))
    brain = triton.InferInput("x", [2, 1], "BF16")
    brain.set_data_from_numpy(np.array([[1.0], [1.01]], dtype=ml_dtypes.bfloat16))
    check("bfloat16", client.infer("one", [brain]).as_numpy("y").tolist() == [[2.0], [2.015625]])

    many = np.arange(10_000, dtype=np.float32).reshape(-1, 1)
    check("10,000 rows", np.array_equal(client.infer("one", [filled("x", many, "FP32")]).as_numpy("y"), many * 2))
    large = np.array([["x" * 8_000_000, "y" * 8_000_000]], dtype=object)
    one_row = filled("in2", np.array([[1, 2]], dtype=np.int64), "INT64")
    back = client.infer("pair", [filled("in", large, "BYTES"), one_row]).as_numpy("out")
    check("16 MB", [len(value) for value in back.flatten()] == [8_000_000, 8_000_000])

    text = np.array([["a", "é✓"], ["", "long " * 1000]], dtype=object)
    numbers = np.array([[2**62, -1], [0, -(2**63)]], dtype=np.int64)
    outputs = [triton.InferRequestedOutput("out2"), triton.InferRequestedOutput("out")]
    result = client.infer("pair", [filled("in", text, "BYTES"), filled("in2", numbers, "INT64")], outputs=outputs)
    check("strings", [value.decode() for value in result.as_numpy("out").flatten()] == list(text.flatten()))
    check("int64", np.array_equal(result.as_numpy("out2"), numbers))

    half = np.array([[0.5, -65504]], dtype=np.float16)
    tensor_half = filled("in", half, "FP16")
    check("float16", np.array_equal(client.infer("half", [tensor_half]).as_numpy("out"), half))
    classes = client.infer("half", [tensor_half], outputs=[triton.InferRequestedOutput("out", class_count=2)]).as_numpy("out")
    check("classification", [value.decode() for value in classes.flatten()] == ["0.500000:0", "-65504.000000:1"] and classes.shape == (1, 2))
    result = client.infer("half", [tensor_half], priority=1, timeout=10_000_000, sequence_id="s", sequence_start=True, parameters={"mine": 1.5})
    check("parameters", np.array_equal(result.as_numpy("out"), half))

    # Typed contents, as other clients of the protocol send them.
    stub = service_pb2_grpc.GRPCInferenceServiceStub(grpc.insecure_channel(address))
    request = service_pb2.ModelInferRequest(model_name="pair", id="typed")
    strings = request.inputs.add(name="in", datatype="BYTES", shape=[1, 2])
    strings.contents.bytes_contents.extend([b"x", "ü".encode()])
    integers = request.inputs.add(name="in2", datatype="INT64", shape=[1, 2])
    integers.contents.int64_contents.extend([-(2**63), 2**53 + 1])
    typed = stub.ModelInfer(request)
    check("typed strings", list(typed.outputs[0].contents.bytes_contents) == [b"x", "ü".encode()])
    check("typed int64", list(typed.outputs[1].contents.int64_contents) == [-(2**63), 2**53 + 1])
    check("typed answers have no raw ones", len(typed.raw_output_contents) == 0 and typed.id == "typed")
    request.raw_input_contents.extend([b"", b""])
    try:
        stub.ModelInfer(request)
        check("typed and raw at once", False)
    except grpc.RpcError as error:
        check("typed and raw at once", error.code() == grpc.StatusCode.INVALID_ARGUMENT and "both contents and raw" in error.details())

    answers = queue.Queue()
    for _ in range(20):
        client.async_infer("half", [tensor_half], lambda result, error: answers.put((result, error)))
    pending = [answers.get(timeout=20) for _ in range(20)]
    check("asynchronous requests", all(np.array_equal(each.as_numpy("out"), half) for each, _ in pending))

    client.start_stream(lambda result, error: answers.put((result, error)))
    for i in range(200):
        client.async_stream_infer("one", [tensor], request_id=str(i), enable_empty_final_response=i % 2 == 0)
    client.async_stream_infer("nothing", [tensor], request_id="bad")
    client.async_stream_infer("one", [tensor], request_id="after")
    streamed = [answers.get(timeout=20) for _ in range(202)]
    client.stop_stream()
    responses = [result.get_response() for result, error in streamed if error is None]
    check("stream answers in order", [each.id for each in responses] == [str(i) for i in range(200)] + ["after"])
    check("each is the final one of its request", all(each.parameters["triton_final_response"].bool_param for each in responses))
    check("stream error in its place", "nothing" in str(streamed[200][1]))
    (bad,) = stub.ModelStreamInfer(iter([service_pb2.ModelInferRequest(model_name="nothing", id="bad")]))
    check("a stream error has the id of its request", bad.error_message != "" and bad.infer_response.id == "bad")

    before = client.get_inference_statistics("half").model_stats[0]
    for _ in range(5):
        client.infer("half", [filled("in", np.zeros((4, 2), dtype=np.float16), "FP16")])
    after = client.get_inference_statistics("half", "1").model_stats[0]
    check("statistics: rows", after.inference_count - before.inference_count == 20)
    check("statistics: calls", after.execution_count - before.execution_count == 5)
    check("statistics: requests", after.inference_stats.success.count - before.inference_stats.success.count == 5)
    check("statistics: times", after.inference_stats.compute_infer.ns > before.inference_stats.compute_infer.ns)
    check("statistics: batches", any(batch.batch_size == 4 for batch in after.batch_stats))
    check("statistics: memory", after.memory_usage[0].byte_size > 10_000_000 and after.last_inference > 1.7e12)
    check("statistics of all models", {each.name for each in client.get_inference_statistics().model_stats} == {"one", "pair", "half"})

    settings = client.update_log_settings({"log_verbose_level": 1}).settings
    check("log settings change", settings["log_verbose_level"].uint32_param == 1 and settings["log_info"].bool_param)
    check("log settings change back", client.update_log_settings({"log_verbose_level": 0}).settings["log_verbose_level"].uint32_param == 0)
    check("log settings are read", client.get_log_settings(as_json=True)["settings"]["log_format"]["string_param"] == "default")
    refused("an unknown log setting", "INVALID_ARGUMENT", "not known", lambda: client.update_log_settings({"colour": True}))

    shared_memory(client, rows)
    repository(client, tensor, rows, model_file)

    refused("unknown model", "NOT_FOUND", "nothing", lambda: client.infer("nothing", [tensor]))
    refused("unknown version", "NOT_FOUND", "version 9", lambda: client.infer("half", [tensor_half], model_version="9"))
    refused("wrong input", "INVALID_ARGUMENT", "no such input", lambda: client.infer("one", [tensor_half]))
    refused("unknown metadata", "NOT_FOUND", "nothing", lambda: client.get_model_metadata("nothing"))
    refused("unknown config", "NOT_FOUND", "nothing", lambda: client.get_model_config("nothing"))
    refused("unknown statistics", "NOT_FOUND", "nothing", lambda: client.get_inference_statistics("nothing"))
    refused("CUDA shared memory", "UNIMPLEMENTED", "CUDA", lambda: client.register_cuda_shared_memory("r", b"AAAA", 0, 64))
    check("no CUDA regions", len(client.get_cuda_shared_memory_status().regions) == 0)
    client.unregister_cuda_shared_memory()
    client.close()
    check("all done", True)


def shared_memory(client, rows):
    client.unregister_system_shared_memory()
    size = rows.nbytes
    key = f"/slipway-grpc-{os.getpid()}"
    region = shm.create_shared_memory_region("region", key, 2 * size)
    try:
        shm.set_shared_memory_region(region, [rows])
        client.register_system_shared_memory("region", key, 2 * size)
        status = client.get_system_shared_memory_status("region").regions["region"]
        check("region status", (status.name, status.key, status.offset, status.byte_size) == ("region", key, 0, 2 * size))
        tensor = triton.InferInput("x", list(rows.shape), "FP32")
        tensor.set_shared_memory("region", size)
        wanted = triton.InferRequestedOutput("y")
        wanted.set_shared_memory("region", size, offset=size)
        output = client.infer("one", [tensor], outputs=[wanted]).get_output("y")
        check("an answer in shared memory has no data", list(output.shape) == [3, 1])
        answer = shm.get_contents_as_numpy(region, np.float32, [3, 1], offset=size)
        check("tensors in shared memory", np.array_equal(answer, rows * 2, equal_nan=True))
        wanted.set_shared_memory("region", size - 1, offset=size)
        refused("an output that does not fit", "INVALID_ARGUMENT", "shared_memory_byte_size is", lambda: client.infer("one", [tensor], outputs=[wanted]))
        refused("a key with a path", "INVALID_ARGUMENT", "one file name", lambda: client.register_system_shared_memory("r", "/../etc/passwd", 8))
        client.unregister_system_shared_memory("region")
        check("no regions", len(client.get_system_shared_memory_status().regions) == 0)
    finally:
        shm.destroy_shared_memory_region(region)


def repository(client, tensor, rows, model_file):
    client.unload_model("one")
    check("unloaded", not client.is_model_ready("one"))
    client.load_model("one")
    check("loaded again", client.is_model_ready("one"))
    with open(model_file, "rb") as file:
        content = file.read()
    client.load_model("one", files={"file:1/model.onnx": content})
    check("loaded from files", np.array_equal(client.infer("one", [tensor]).as_numpy("y"), rows * 3, equal_nan=True))
    # The files stay until the model is unloaded.
    client.unload_model("one")
    client.load_model("one", config=json.dumps({"max_batch_size": 16}))
    check("loaded with a configuration", client.get_model_config("one").config.max_batch_size == 16)
    client.load_model("one")
    check("loaded without", client.get_model_config("one").config.max_batch_size == 64)
    refused("an unknown model to load", "NOT_FOUND", "nothing", lambda: client.load_model("nothing"))
    refused("a file outside the model", "INVALID_ARGUMENT", "inside the model", lambda: client.load_model("one", config="{}", files={"file:../x": content}))


main(*sys.argv[1:])
