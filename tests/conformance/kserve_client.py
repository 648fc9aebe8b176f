"""
KServe's own client (kserve.InferenceRESTClient) with the v1 protocol, and CloudEvents made by the package cloudevents, against our server.
Prints one line per check; exits 1 at the first that fails.
"""

import asyncio
import sys

import httpx
from cloudevents.http import CloudEvent, from_http, to_binary, to_structured
from kserve import InferenceRESTClient, RESTConfig


def check(name, condition):
    print(("ok   " if condition else "FAIL ") + name, flush=True)
    if not condition:
        sys.exit(1)


async def fails(call, status, text):
    try:
        await call
    except httpx.HTTPStatusError as error:
        return error.response.status_code == status and text in str(error)
    return False


async def main(base):
    client = InferenceRESTClient(RESTConfig(protocol="v1"))
    check("the server is alive", await client.is_server_live(base))
    check("a model is ready", await client.is_model_ready(base, "one") is True)
    check("an unknown model", await fails(client.is_model_ready(base, "nothing"), 404, "Could not find any versions of model nothing"))
    answer = await client.infer(base, {"instances": [[1.5], [-2.0]]}, model_name="one")
    check("infer", answer == {"predictions": [[3.0], [-4.0]]})
    check("infer, wrong shape", await fails(client.infer(base, {"instances": [[1, 2]]}, model_name="one"), 400, "expected 1"))
    check("explain has a reason", await fails(client.explain(base, "one", {"instances": [[1]]}), 501, "no explainer"))
    async with httpx.AsyncClient() as http:
        models = (await http.get(f"{base}/v1/models")).json()
        check("the models", {"one", "pair", "half"} <= set(models["models"]))
        event = CloudEvent({"type": "test.request", "source": "test"}, {"instances": [[21]]})
        for name, form in (("binary", to_binary), ("structured", to_structured)):
            headers, body = form(event)
            if name == "binary":
                headers["content-type"] = "application/json"
            reply = await http.post(f"{base}/v1/models/one:predict", content=body, headers=headers)
            answer = from_http(dict(reply.headers), reply.content)
            check(f"{name} CloudEvent", answer.data == {"predictions": [[42.0]]})
            check(f"{name} CloudEvent, attributes", answer["source"] == "io.kserve.inference.one" and answer["id"] != event["id"])
    await client.close()
    ready = InferenceRESTClient(RESTConfig(protocol="v2"))
    check("the server is ready, by v2", await ready.is_server_ready(base))
    check("a model is ready, by v2", await ready.is_model_ready(base, "one"))
    await ready.close()
    print("ok   all")


asyncio.run(main(f"http://{sys.argv[1]}"))
