"""KServe's own Python server. It listens on every interface by default; here on loopback only."""
import os
import sys

import kserve
import numpy as np
import onnxruntime as ort
from kserve.utils.utils import get_predict_response


class Onnx(kserve.Model):
    def load(self):
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = ort.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])
        self.input = self.session.get_inputs()[0].name
        self.ready = True
        return True

    def __getstate__(self):
        # Workers are other processes, and a session cannot be pickled: each makes its own.
        return {key: value for key, value in self.__dict__.items() if key != "session"}

    def predict(self, payload, headers=None, response_headers=None):
        if not hasattr(self, "session"):
            self.load()
        (result,) = self.session.run(None, {self.input: payload.inputs[0].as_numpy()})
        return get_predict_response(payload, np.asarray(result), self.name)


if __name__ == "__main__":
    port, workers = int(sys.argv[1]), int(sys.argv[2])
    import kserve.protocol.rest.server as rest

    bind = rest.uvicorn.Config.__init__

    def loopback(self, *args, **kwargs):
        kwargs["host"] = "127.0.0.1"
        bind(self, *args, **kwargs)

    rest.uvicorn.Config.__init__ = loopback
    model = Onnx("m")
    model.load()
    kserve.ModelServer(http_port=port, workers=workers, enable_grpc=False, access_log_format="none").start([model])
