"""What NVIDIA's own client makes of our Open Inference Protocol server. Prints one line per check; exits 1 at the first that fails."""

import sys

import numpy as np
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException


def check(name, condition):
    print(("ok   " if condition else "FAIL ") + name, flush=True)
    if not condition:
        sys.exit(1)


def main(address):
    client = triton.InferenceServerClient(address, concurrency=4)
    check("server live", client.is_server_live())
    check("server ready", client.is_server_ready())
    check("model ready", client.is_model_ready("one"))
    check("version ready", client.is_model_ready("one", "1"))
    check("unknown model is not ready", not client.is_model_ready("nothing"))
    check("server metadata", "binary_tensor_data" in client.get_server_metadata()["extensions"])
    metadata = client.get_model_metadata("one")
    check("model metadata", metadata["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 1]}])
    check("repository index", {"name": "one", "version": "1", "state": "READY", "reason": ""} in client.get_model_repository_index())

    rows = np.array([[1.5], [np.nan], [-2.0]], dtype=np.float32)
    for binary_in in (True, False):
        for binary_out in (True, False):
            # NaN has no JSON form that the client would read back as a number.
            values = rows if binary_in and binary_out else rows[[0, 2]]
            tensor = triton.InferInput("x", list(values.shape), "FP32")
            tensor.set_data_from_numpy(values, binary_data=binary_in)
            wanted = triton.InferRequestedOutput("y", binary_data=binary_out)
            result = client.infer("one", [tensor], outputs=[wanted], request_id="id-1")
            label = f"infer, {'binary' if binary_in else 'JSON'} in, {'binary' if binary_out else 'JSON'} out"
            check(label, np.array_equal(result.as_numpy("y"), values * 2, equal_nan=True))
            check("request id echoed", result.get_response()["id"] == "id-1")

    tensor = triton.InferInput("x", [3, 1], "FP32")
    tensor.set_data_from_numpy(rows)
    result = client.infer("one", [tensor])
    check("infer, no outputs named", np.array_equal(result.as_numpy("y"), rows * 2, equal_nan=True))
    for algorithm in ("gzip", "deflate"):
        result = client.infer("one", [tensor], request_compression_algorithm=algorithm, response_compression_algorithm="gzip")
        check(f"infer, {algorithm} body", np.array_equal(result.as_numpy("y"), rows * 2, equal_nan=True))

    text = np.array([["a", "é✓"], ["", "long " * 1000]], dtype=object)
    numbers = np.array([[2**62, -1], [0, -(2**63)]], dtype=np.int64)
    for binary in (True, False):
        first = triton.InferInput("in", [2, 2], "BYTES")
        first.set_data_from_numpy(text, binary_data=binary)
        second = triton.InferInput("in2", [2, 2], "INT64")
        second.set_data_from_numpy(numbers, binary_data=binary)
        outputs = [triton.InferRequestedOutput("out2", binary_data=binary), triton.InferRequestedOutput("out", binary_data=binary)]
        result = client.infer("pair", [first, second], outputs=outputs)
        decoded = [value if isinstance(value, str) else value.decode() for value in result.as_numpy("out").flatten()]
        check(f"strings, {'binary' if binary else 'JSON'}", decoded == list(text.flatten()))
        check(f"int64, {'binary' if binary else 'JSON'}", np.array_equal(result.as_numpy("out2"), numbers))

    half = np.array([[0.5, -65504]], dtype=np.float16)
    tensor = triton.InferInput("in", [1, 2], "FP16")
    tensor.set_data_from_numpy(half)
    check("float16", np.array_equal(client.infer("half", [tensor]).as_numpy("out"), half))

    pending = [client.async_infer("half", [tensor]) for _ in range(20)]
    check("asynchronous requests", all(np.array_equal(each.get_result().as_numpy("out"), half) for each in pending))

    for name, call in {
        "unknown model": lambda: client.infer("nothing", [tensor]),
        "unknown version": lambda: client.infer("half", [tensor], model_version="9"),
        "wrong input": lambda: client.infer("one", [tensor]),
        "deadline": lambda: client.infer("half", [tensor], timeout=1),
    }.items():
        try:
            call()
            check(f"error for {name}", name == "deadline")
        except InferenceServerException as error:
            check(f"error for {name}: {error.status()}", error.status() in ("400", "404", "504"))
    client.close()


main(sys.argv[1])
