"""NVIDIA's own clients with asyncio, over HTTP and gRPC, against our server. Prints one line per check; exits 1 at the first that fails."""

import asyncio
import sys

import numpy as np
import tritonclient.grpc.aio as grpc_client
import tritonclient.http.aio as http_client
from tritonclient.utils import InferenceServerException


def check(name, condition):
    print(("ok   " if condition else "FAIL ") + name, flush=True)
    if not condition:
        sys.exit(1)


def filled(client, name, array, datatype):
    tensor = client.InferInput(name, list(array.shape), datatype)
    tensor.set_data_from_numpy(array)
    return tensor


async def both(client, kind):
    rows = np.arange(6, dtype=np.float32).reshape(-1, 1)
    tensor = filled(kind, "x", rows, "FP32")
    check("live and ready", await client.is_server_live() and await client.is_server_ready() and await client.is_model_ready("one"))
    check("not ready", not await client.is_model_ready("nothing"))
    pending = [client.infer("one", [tensor], request_id=str(i)) for i in range(50)]
    answers = await asyncio.gather(*pending)
    check("50 at once", all(np.array_equal(each.as_numpy("y"), rows * 2) for each in answers))
    many = np.arange(10_000, dtype=np.float32).reshape(-1, 1)
    answer = await client.infer("one", [filled(kind, "x", many, "FP32")], outputs=[kind.InferRequestedOutput("y")])
    check("a large answer", np.array_equal(answer.as_numpy("y"), many * 2))
    text = np.array([["a", "é"]], dtype=object)
    numbers = np.array([[1, -(2**63)]], dtype=np.int64)
    answer = await client.infer("pair", [filled(kind, "in", text, "BYTES"), filled(kind, "in2", numbers, "INT64")])
    check("strings and int64", [value.decode() for value in answer.as_numpy("out").flatten()] == ["a", "é"] and np.array_equal(answer.as_numpy("out2"), numbers))
    half = filled(kind, "in", np.array([[0.5, 2]], dtype=np.float16), "FP16")
    answer = await client.infer("half", [half], outputs=[kind.InferRequestedOutput("out", class_count=1)])
    check("classification", answer.as_numpy("out").flatten()[0] == b"2.000000:1")
    await client.get_model_config("one")
    await client.get_model_repository_index()
    await client.get_log_settings()
    await client.get_trace_settings()
    statistics = await client.get_inference_statistics("one")
    stats = statistics["model_stats"][0] if isinstance(statistics, dict) else statistics.model_stats[0]
    check("statistics", int(stats["inference_count"] if isinstance(stats, dict) else stats.inference_count) >= 50 * 6)
    try:
        await client.infer("nothing", [tensor])
        check("error for an unknown model", False)
    except InferenceServerException as error:
        check(f"error for an unknown model: {error.status()}", error.status() in ("404", "StatusCode.NOT_FOUND"))


async def stream(client):
    rows = np.array([[1.5]], dtype=np.float32)
    tensor = filled(grpc_client, "x", rows, "FP32")

    async def requests():
        for i in range(20):
            yield {"model_name": "one" if i != 7 else "nothing", "inputs": [tensor], "request_id": str(i)}

    ids, errors = [], []
    async for result, error in client.stream_infer(requests()):
        if error is None:
            ids.append(int(result.get_response().id))
        else:
            errors.append(str(error))
    check("stream", ids == [i for i in range(20) if i != 7] and len(errors) == 1 and "nothing" in errors[0])


async def main(http_address, grpc_address, _):
    async with http_client.InferenceServerClient(http_address) as client:
        await both(client, http_client)
    async with grpc_client.InferenceServerClient(grpc_address) as client:
        await both(client, grpc_client)
        await stream(client)
    check("all done", True)


asyncio.run(main(*sys.argv[1:]))
