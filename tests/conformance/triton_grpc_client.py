"""What NVIDIA's own gRPC client makes of our Open Inference Protocol server. Prints one line per check; exits 1 at the first that fails."""

import queue
import sys

import grpc
import numpy as np
import tritonclient.grpc as triton
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import InferenceServerException


def check(name, condition):
    print(("ok   " if condition else "FAIL ") + name, flush=True)
    if not condition:
        sys.exit(1)


def main(address):
    client = triton.InferenceServerClient(address)
    check("server live", client.is_server_live())
    check("server ready", client.is_server_ready())
    check("model ready", client.is_model_ready("one"))
    check("version ready", client.is_model_ready("one", "1"))
    check("unknown model is not ready", not client.is_model_ready("nothing"))
    check("server metadata", "binary_tensor_data" in client.get_server_metadata().extensions)
    metadata = client.get_model_metadata("one", as_json=True)
    check("model metadata", metadata["inputs"] == [{"name": "x", "datatype": "FP32", "shape": ["-1", "1"]}])
    check("model versions", metadata["versions"] == ["1"] and metadata["platform"] == "onnxruntime_onnx")
    index = client.get_model_repository_index().models
    check("repository index", {"one": "READY", "pair": "READY", "half": "READY"} == {each.name: each.state for each in index})

    rows = np.array([[1.5], [np.nan], [-2.0]], dtype=np.float32)
    tensor = triton.InferInput("x", list(rows.shape), "FP32")
    tensor.set_data_from_numpy(rows)
    wanted = triton.InferRequestedOutput("y")
    result = client.infer("one", [tensor], outputs=[wanted], request_id="id-1")
    check("infer", np.array_equal(result.as_numpy("y"), rows * 2, equal_nan=True))
    check("request id echoed", result.get_response().id == "id-1")
    result = client.infer("one", [tensor], model_version="1", headers={"x-request-id": "mine"}, client_timeout=10)
    check("infer, no outputs named", np.array_equal(result.as_numpy("y"), rows * 2, equal_nan=True))
    for algorithm in ("gzip", "deflate"):
        result = client.infer("one", [tensor], compression_algorithm=algorithm)
        check(f"infer, {algorithm}", np.array_equal(result.as_numpy("y"), rows * 2, equal_nan=True))

    large = np.arange(4_000_000, dtype=np.float32).reshape(-1, 1)
    tensor_large = triton.InferInput("x", list(large.shape), "FP32")
    tensor_large.set_data_from_numpy(large)
    check("16 MB", np.array_equal(client.infer("one", [tensor_large]).as_numpy("y"), large * 2))

    text = np.array([["a", "é✓"], ["", "long " * 1000]], dtype=object)
    numbers = np.array([[2**62, -1], [0, -(2**63)]], dtype=np.int64)
    first = triton.InferInput("in", [2, 2], "BYTES")
    first.set_data_from_numpy(text)
    second = triton.InferInput("in2", [2, 2], "INT64")
    second.set_data_from_numpy(numbers)
    outputs = [triton.InferRequestedOutput("out2"), triton.InferRequestedOutput("out")]
    result = client.infer("pair", [first, second], outputs=outputs)
    check("strings", [value.decode() for value in result.as_numpy("out").flatten()] == list(text.flatten()))
    check("int64", np.array_equal(result.as_numpy("out2"), numbers))

    half = np.array([[0.5, -65504]], dtype=np.float16)
    tensor_half = triton.InferInput("in", [1, 2], "FP16")
    tensor_half.set_data_from_numpy(half)
    check("float16", np.array_equal(client.infer("half", [tensor_half]).as_numpy("out"), half))

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

    answers = queue.Queue()
    for _ in range(20):
        client.async_infer("half", [tensor_half], lambda result, error: answers.put((result, error)))
    pending = [answers.get(timeout=20) for _ in range(20)]
    check("asynchronous requests", all(np.array_equal(each.as_numpy("out"), half) for each, _ in pending))

    client.start_stream(lambda result, error: answers.put((result, error)))
    for i in range(200):
        client.async_stream_infer("one", [tensor], request_id=str(i))
    client.async_stream_infer("nothing", [tensor], request_id="bad")
    client.async_stream_infer("one", [tensor], request_id="after")
    streamed = [answers.get(timeout=20) for _ in range(202)]
    client.stop_stream()
    ids = [result.get_response().id for result, error in streamed if error is None]
    check("stream answers in order", ids == [str(i) for i in range(200)] + ["after"])
    check("stream error in its place", "nothing" in str(streamed[200][1]))

    for name, status, call in (
        ("unknown model", "NOT_FOUND", lambda: client.infer("nothing", [tensor])),
        ("unknown version", "NOT_FOUND", lambda: client.infer("half", [tensor_half], model_version="9")),
        ("wrong input", "INVALID_ARGUMENT", lambda: client.infer("one", [tensor_half])),
        ("unknown metadata", "NOT_FOUND", lambda: client.get_model_metadata("nothing")),
        ("deadline", "DEADLINE_EXCEEDED", lambda: client.infer("half", [tensor_half], timeout=1)),
        ("a call that is not offered", "UNIMPLEMENTED", lambda: client.get_model_config("one")),
    ):
        try:
            call()
            check(f"error for {name}", False)
        except InferenceServerException as error:
            check(f"error for {name}: {error.status()}", error.status() == f"StatusCode.{status}")
    client.close()


main(sys.argv[1])
