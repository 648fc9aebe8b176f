"""What most teams write: FastAPI with pydantic models and a synchronous handler (FastAPI runs it in its thread pool)."""
import os

import numpy as np
import onnxruntime as ort
from fastapi import FastAPI
from pydantic import BaseModel

options = ort.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = ort.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])
NAME = session.get_inputs()[0].name
OUTPUT = session.get_outputs()[0].name
DTYPE = np.int64 if "int64" in session.get_inputs()[0].type else np.float32
app = FastAPI()


class Input(BaseModel):
    name: str
    shape: list[int]
    datatype: str
    data: list[float]


class Request(BaseModel):
    inputs: list[Input]


@app.post("/v2/models/m/infer")
def infer(request: Request):
    given = request.inputs[0]
    (result,) = session.run(None, {NAME: np.asarray(given.data, dtype=DTYPE).reshape(given.shape)})
    return {
        "model_name": "m",
        "outputs": [{"name": OUTPUT, "shape": result.shape, "datatype": "FP32", "data": result.ravel().tolist()}],
    }
