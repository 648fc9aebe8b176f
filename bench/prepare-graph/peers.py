"""OnnxSlim and onnxsim behind one line of JSON per call: file in, file out, milliseconds. Started by run.ts."""
import contextlib
import json
import sys
import time
import warnings

import onnx
import onnxsim
import onnxslim

warnings.filterwarnings("ignore")


def simplify(tool: str, source: str, target: str) -> None:
    if tool == "onnxslim":
        model = onnxslim.slim(onnx.load(source))
    else:
        model, ok = onnxsim.simplify(onnx.load(source))
        if not ok:
            raise RuntimeError("onnxsim says that its own check failed")
    onnx.save(model, target)


answers = sys.stdout
print(json.dumps({"onnxslim": onnxslim.__version__, "onnxsim": onnxsim.__version__}), file=answers, flush=True)
for line in sys.stdin:
    call = json.loads(line)
    started, cpu = time.perf_counter(), time.process_time()
    try:
        with contextlib.redirect_stdout(sys.stderr):
            simplify(call["tool"], call["source"], call["target"])
        answer = {"ms": (time.perf_counter() - started) * 1000, "cpuMs": (time.process_time() - cpu) * 1000}
    except Exception as error:
        answer = {"error": f"{type(error).__name__}: {error}"[:300]}
    print(json.dumps(answer), file=answers, flush=True)
