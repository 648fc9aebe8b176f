"""The reference tools behind JSON, started by peers.ts.

Without arguments: OnnxSlim and onnxsim, one line per call, in a process that stays: file in, file out, milliseconds.
With one argument: ONNX Runtime's quantizer once, in a process of its own, so that its peak memory is its own.
"""
import contextlib
import json
import resource
import sys
import time
import warnings

warnings.filterwarnings("ignore")


def serve() -> None:
    import onnx
    import onnxsim
    import onnxslim

    def simplify(tool: str, source: str, target: str) -> None:
        if tool == "onnxslim":
            model = onnxslim.slim(onnx.load(source))
        else:
            model, ok = onnxsim.simplify(onnx.load(source))
            if not ok:
                raise RuntimeError("onnxsim says that its own check failed")
        onnx.save(model, target)

    answers = sys.stdout
    versions = {"onnxslim": onnxslim.__version__, "onnxsim": onnxsim.__version__}
    print(json.dumps(versions), file=answers, flush=True)
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


def rows(path: str):
    """One row per call, which is what its calibrator takes."""
    import numpy
    from onnxruntime.quantization import CalibrationDataReader

    class Rows(CalibrationDataReader):
        def __init__(self):
            arrays = numpy.load(path)
            count = len(arrays[arrays.files[0]])
            self.calls = iter([{name: arrays[name][i : i + 1] for name in arrays.files} for i in range(count)])

        def get_next(self):
            return next(self.calls, None)

    return Rows()


def quantize(call: dict) -> None:
    import onnxruntime
    from onnxruntime.quantization import QuantType, quantize_dynamic, quantize_static

    started, cpu = time.perf_counter(), time.process_time()
    shared = {"weight_type": QuantType.QInt8, "per_channel": call["perChannel"], "use_external_data_format": call["external"]}
    with contextlib.redirect_stdout(sys.stderr):
        if call["tool"] == "static":
            quantize_static(call["source"], call["target"], rows(call["calibration"]), activation_type=QuantType.QUInt8, **shared)
        else:
            quantize_dynamic(call["source"], call["target"], **shared)
    answer = {
        "ms": (time.perf_counter() - started) * 1000,
        "cpuMs": (time.process_time() - cpu) * 1000,
        "peakBytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "version": onnxruntime.__version__,
    }
    print(json.dumps(answer), flush=True)


if len(sys.argv) > 1:
    quantize(json.loads(sys.argv[1]))
else:
    serve()
