"""LitServe with its batching, its fast queue and two API processes."""
import os
import sys

import litserve
import numpy as np
import onnxruntime as ort


class Onnx(litserve.LitAPI):
    def setup(self, device):
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = ort.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])
        self.input = self.session.get_inputs()[0].name
        self.dtype = np.int64 if "int64" in self.session.get_inputs()[0].type else np.float32

    def decode_request(self, request):
        given = request["inputs"][0]
        return np.asarray(given["data"], dtype=self.dtype).reshape(given["shape"])

    def batch(self, inputs):
        return np.concatenate(inputs)

    def predict(self, rows):
        (result,) = self.session.run(None, {self.input: rows})
        return result

    def unbatch(self, output):
        return [output[i : i + 1] for i in range(len(output))]

    def encode_response(self, output):
        return {"outputs": [{"name": "y", "shape": list(output.shape), "data": output.ravel().tolist()}]}


if __name__ == "__main__":
    port, workers, batch = (int(value) for value in sys.argv[1:4])
    options = {"max_batch_size": batch, "batch_timeout": 0.001} if batch > 1 else {}
    api = Onnx(api_path="/v2/models/m/infer", **options)
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=workers, fast_queue=True)
    server.run(host="127.0.0.1", port=port, num_api_servers=2, log_level="error", generate_client_file=False)
