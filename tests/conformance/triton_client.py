"""What NVIDIA's own client makes of our Open Inference Protocol server over HTTP. Prints one line per check; exits 1 at the first that fails."""

import json
import os
import sys

import ml_dtypes
import numpy as np
import tritonclient.http as triton
import tritonclient.utils.shared_memory as shm
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
        check(f"error for {name}: {error.status()} {error.message()}", error.status() == status and text in error.message())


def filled(name, array, datatype, binary=True):
    tensor = triton.InferInput(name, list(array.shape), datatype)
    tensor.set_data_from_numpy(array, binary_data=binary)
    return tensor


def main(address, _, model_file):
    client = triton.InferenceServerClient(address, concurrency=4)
    check("server live", client.is_server_live())
    check("server ready", client.is_server_ready())
    check("model ready", client.is_model_ready("one"))
    check("version ready", client.is_model_ready("one", "1"))
    check("unknown model is not ready", not client.is_model_ready("nothing"))
    extensions = client.get_server_metadata()["extensions"]
    check("server metadata", {"binary_tensor_data", "classification", "statistics", "system_shared_memory"} <= set(extensions))
    check("no extension that is off", "cuda_shared_memory" not in extensions)
    metadata = client.get_model_metadata("one")
    check("model metadata", metadata["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 1]}])
    check("repository index", {"name": "one", "version": "1", "state": "READY", "reason": ""} in client.get_model_repository_index())
    config = client.get_model_config("one")
    check("model config", config["max_batch_size"] == 64 and config["input"][0]["dims"] == [1] and config["input"][0]["data_type"] == "TYPE_FP32")

    rows = np.array([[1.5], [np.nan], [-2.0]], dtype=np.float32)
    for binary_in in (True, False):
        for binary_out in (True, False):
            # NaN has no JSON form that the client would read back as a number.
            values = rows if binary_in and binary_out else rows[[0, 2]]
            tensor = filled("x", values, "FP32", binary_in)
            wanted = triton.InferRequestedOutput("y", binary_data=binary_out)
            result = client.infer("one", [tensor], outputs=[wanted], request_id="id-1")
            label = f"infer, {'binary' if binary_in else 'JSON'} in, {'binary' if binary_out else 'JSON'} out"
            check(label, np.array_equal(result.as_numpy("y"), values * 2, equal_nan=True))
            check("request id echoed", result.get_response()["id"] == "id-1")

    tensor = filled("x", rows, "FP32")
    result = client.infer("one", [tensor])
    check("infer, no outputs named", np.array_equal(result.as_numpy("y"), rows * 2, equal_nan=True))
    many = np.arange(10_000, dtype=np.float32).reshape(-1, 1)
    for coding in ("gzip", "deflate"):
        result = client.infer("one", [filled("x", many, "FP32")], request_compression_algorithm=coding, response_compression_algorithm=coding)
        check(f"infer, {coding} both ways", np.array_equal(result.as_numpy("y"), many * 2))
        body, length = triton.InferenceServerClient.generate_request_body([filled("x", many, "FP32")])
        headers = {"Inference-Header-Content-Length": length, "Accept-Encoding": coding}
        sent = client._post("v2/models/one/infer", request_body=body, headers=headers, query_params=None)
        check(f"the answer was {coding}", sent.get("Content-Encoding") == coding)
    empty = client.infer("one", [filled("x", np.zeros((0, 1), dtype=np.float32), "FP32")])
    check("no rows", empty.get_output("y")["shape"] == [0, 1])
    brain = triton.InferInput("x", [2, 1], "BF16")
    brain.set_data_from_numpy(np.array([[1.0], [1.01]], dtype=ml_dtypes.bfloat16))
    check("bfloat16", client.infer("one", [brain]).as_numpy("y").tolist() == [[2.0], [2.015625]])
    raw = client._post("v2/models/one/infer", request_body=many.tobytes(), headers={"Inference-Header-Content-Length": 0}, query_params=None)
    check("raw request", raw.status_code == 200 and raw.read().endswith((many * 2).tobytes()))

    text = np.array([["a", "é✓"], ["", "long " * 1000]], dtype=object)
    numbers = np.array([[2**62, -1], [0, -(2**63)]], dtype=np.int64)
    for binary in (True, False):
        inputs = [filled("in", text, "BYTES", binary), filled("in2", numbers, "INT64", binary)]
        outputs = [triton.InferRequestedOutput("out2", binary_data=binary), triton.InferRequestedOutput("out", binary_data=binary)]
        result = client.infer("pair", inputs, outputs=outputs)
        decoded = [value if isinstance(value, str) else value.decode() for value in result.as_numpy("out").flatten()]
        check(f"strings, {'binary' if binary else 'JSON'}", decoded == list(text.flatten()))
        check(f"int64, {'binary' if binary else 'JSON'}", np.array_equal(result.as_numpy("out2"), numbers))

    half = np.array([[0.5, -65504]], dtype=np.float16)
    tensor_half = filled("in", half, "FP16")
    check("float16", np.array_equal(client.infer("half", [tensor_half]).as_numpy("out"), half))
    for binary in (True, False):
        wanted = triton.InferRequestedOutput("out", binary_data=binary, class_count=2)
        classes = client.infer("half", [tensor_half], outputs=[wanted]).as_numpy("out")
        texts = [value if isinstance(value, str) else value.decode() for value in classes.flatten()]
        check(f"classification, {'binary' if binary else 'JSON'}", texts == ["0.500000:0", "-65504.000000:1"] and classes.shape == (1, 2))
    result = client.infer("half", [tensor_half], priority=1, timeout=10_000_000, sequence_id=7, sequence_start=True, parameters={"mine": 1})
    check("parameters", np.array_equal(result.as_numpy("out"), half))

    pending = [client.async_infer("half", [tensor_half]) for _ in range(20)]
    check("asynchronous requests", all(np.array_equal(each.get_result().as_numpy("out"), half) for each in pending))

    before = client.get_inference_statistics("half")["model_stats"][0]
    four = filled("in", np.zeros((4, 2), dtype=np.float16), "FP16")
    for _ in range(5):
        client.infer("half", [four])
    after = client.get_inference_statistics("half", "1")["model_stats"][0]
    check("statistics: rows", after["inference_count"] - before["inference_count"] == 20)
    check("statistics: calls", after["execution_count"] - before["execution_count"] == 5)
    check("statistics: requests", after["inference_stats"]["success"]["count"] - before["inference_stats"]["success"]["count"] == 5)
    check("statistics: times", all(after["inference_stats"][part]["ns"] > before["inference_stats"][part]["ns"] for part in ("success", "compute_input", "compute_infer", "compute_output")))
    check("statistics: batches", any(batch["batch_size"] == 4 and batch["compute_infer"]["count"] == 5 for batch in after["batch_stats"]))
    check("statistics: memory", after["memory_usage"][0]["byte_size"] > 10_000_000)
    check("statistics of all models", {each["name"] for each in client.get_inference_statistics()["model_stats"]} == {"one", "pair", "half"})

    settings = client.update_log_settings({"log_verbose_level": 1})
    check("log settings change", settings["log_verbose_level"] == 1 and client.get_log_settings() == settings)
    check("log settings change back", client.update_log_settings({"log_verbose_level": 0})["log_verbose_level"] == 0)
    refused("an unknown log setting", "400", "not known", lambda: client.update_log_settings({"colour": True}))
    refused("a log file", "400", "cannot be changed", lambda: client.update_log_settings({"log_file": "/tmp/x"}))

    shared_memory(client, rows)
    repository(client, tensor, rows, model_file)

    refused("unknown model", "404", "nothing", lambda: client.infer("nothing", [tensor]))
    refused("unknown version", "404", "version 9", lambda: client.infer("half", [tensor_half], model_version="9"))
    refused("wrong input", "400", "no such input", lambda: client.infer("one", [tensor_half]))
    refused("unknown config", "404", "nothing", lambda: client.get_model_config("nothing"))
    refused("unknown statistics", "404", "nothing", lambda: client.get_inference_statistics("nothing"))
    refused("CUDA shared memory", "501", "CUDA", lambda: client.register_cuda_shared_memory("r", b"AAAA", 0, 64))
    check("no CUDA regions", client.get_cuda_shared_memory_status() == [])
    client.unregister_cuda_shared_memory()
    client.close()
    check("all done", True)


def shared_memory(client, rows):
    client.unregister_system_shared_memory()
    size = rows.nbytes
    key = f"/slipway-{os.getpid()}"
    region = shm.create_shared_memory_region("region", key, 2 * size)
    try:
        shm.set_shared_memory_region(region, [rows])
        client.register_system_shared_memory("region", key, 2 * size)
        check("region status", client.get_system_shared_memory_status("region") == [{"name": "region", "key": key, "offset": 0, "byte_size": 2 * size}])
        tensor = triton.InferInput("x", list(rows.shape), "FP32")
        tensor.set_shared_memory("region", size)
        wanted = triton.InferRequestedOutput("y")
        wanted.set_shared_memory("region", size, offset=size)
        result = client.infer("one", [tensor], outputs=[wanted])
        output = result.get_output("y")
        check("an answer in shared memory has no data", "data" not in output and output["shape"] == [3, 1])
        answer = shm.get_contents_as_numpy(region, np.float32, [3, 1], offset=size)
        check("tensors in shared memory", np.array_equal(answer, rows * 2, equal_nan=True))
        plain = client.infer("one", [tensor], outputs=[triton.InferRequestedOutput("y")])
        check("shared memory in, binary out", np.array_equal(plain.as_numpy("y"), rows * 2, equal_nan=True))
        wanted.set_shared_memory("region", size - 1, offset=size)
        refused("an output that does not fit", "400", "shared_memory_byte_size is", lambda: client.infer("one", [tensor], outputs=[wanted]))
        tensor.set_shared_memory("region", size, offset=2 * size)
        refused("an input past the end", "400", "past the end", lambda: client.infer("one", [tensor]))
        tensor.set_shared_memory("other", size)
        refused("an unknown region", "400", "no region", lambda: client.infer("one", [tensor]))
        refused("a key with a path", "400", "one file name", lambda: client.register_system_shared_memory("r", "/../etc/passwd", 8))
        refused("a region larger than its object", "400", "past the end", lambda: client.register_system_shared_memory("r", key, 10**9))
        client.unregister_system_shared_memory("region")
        check("no regions", client.get_system_shared_memory_status() == [])
    finally:
        shm.destroy_shared_memory_region(region)


def repository(client, tensor, rows, model_file):
    client.unload_model("one")
    check("unloaded", not client.is_model_ready("one"))
    index = {each["name"]: each for each in client.get_model_repository_index()}
    check("an unloaded model is in the index", index["one"]["state"] in ("UNAVAILABLE", "UNLOADING"))
    client.load_model("one")
    check("loaded again", client.is_model_ready("one"))
    with open(model_file, "rb") as file:
        content = file.read()
    client.load_model("one", files={"file:1/model.onnx": content})
    check("loaded from files", np.array_equal(client.infer("one", [tensor]).as_numpy("y"), rows * 3, equal_nan=True))
    # The files stay until the model is unloaded.
    client.unload_model("one")
    client.load_model("one", config=json.dumps({"max_batch_size": 16}))
    check("loaded with a configuration", client.get_model_config("one")["max_batch_size"] == 16)
    check("from its own files again", np.array_equal(client.infer("one", [tensor]).as_numpy("y"), rows * 2, equal_nan=True))
    client.load_model("one")
    check("loaded without", client.get_model_config("one")["max_batch_size"] == 64)
    refused("an unknown model to load", "404", "nothing", lambda: client.load_model("nothing"))
    refused("a file outside the model", "400", "inside the model", lambda: client.load_model("one", config="{}", files={"file:../x": content}))
    refused("a configuration that is none", "400", "config", lambda: client.load_model("one", config="{"))
    refused("a broken file", "503", "", lambda: client.load_model("one", files={"file:1/model.onnx": b"no model"}))
    check("the model serves on", np.array_equal(client.infer("one", [tensor]).as_numpy("y"), rows * 2, equal_nan=True))


main(*sys.argv[1:])
