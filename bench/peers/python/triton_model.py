"""Triton's Python backend: all requests of a batch become one call of ONNX Runtime."""
import json
import os
import sys

# The backend's stub does not look at PYTHONPATH.
sys.path[:0] = os.environ["BENCH_SITE_PACKAGES"].split(":")
import numpy as np
import onnxruntime as ort
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args):
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = ort.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])
        self.input = self.session.get_inputs()[0].name
        config = json.loads(args["model_config"])
        self.output = config["output"][0]["name"]

    def execute(self, requests):
        rows = [pb_utils.get_input_tensor_by_name(request, self.input).as_numpy() for request in requests]
        (result,) = self.session.run(None, {self.input: np.concatenate(rows) if len(rows) > 1 else rows[0]})
        responses, at = [], 0
        for tensor in rows:
            part = result[at : at + len(tensor)]
            at += len(tensor)
            responses.append(pb_utils.InferenceResponse([pb_utils.Tensor(self.output, part)]))
        return responses
