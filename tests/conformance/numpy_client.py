"""
NumPy's own files, over HTTP, in both directions, and Arrow where pyarrow is installed.
Prints one line per check; exits 1 at the first that fails.
"""

import io
import sys
import urllib.error
import urllib.request

import numpy as np

BASE = "http://" + sys.argv[1]


def check(name, condition):
    print(("ok   " if condition else "FAIL ") + name, flush=True)
    if not condition:
        sys.exit(1)


def post(path, body, content_type, accept="*/*"):
    headers = {"Content-Type": content_type, "Accept": accept}
    with urllib.request.urlopen(urllib.request.Request(BASE + path, body, headers)) as answer:
        return answer.read()


def saved(save, *arrays, **named):
    buffer = io.BytesIO()
    save(buffer, *arrays, **named)
    return buffer.getvalue()


def same(actual, expected):
    return actual.dtype == expected.dtype and actual.shape == expected.shape and (actual == expected).all()


def arrow():
    try:
        import pyarrow as pa
    except ImportError:
        return
    rows = np.arange(8, dtype=np.float32).reshape(4, 2)
    for kind, writer, reader in (
        ("stream", pa.ipc.new_stream, pa.ipc.open_stream),
        ("file", pa.ipc.new_file, pa.ipc.open_file),
    ):
        column = pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), 2)
        sink = pa.BufferOutputStream()
        batch = pa.record_batch([column], names=["in"])
        with writer(sink, batch.schema) as out:
            out.write_batch(batch)
        media = "application/vnd.apache.arrow." + kind
        table = reader(post("/predict/animals", sink.getvalue().to_pybytes(), media, media)).read_all()
        table.validate(full=True)
        back = np.array(table.column("out").to_pylist(), dtype=np.float32)
        check("Arrow " + kind, table.column_names == ["out"] and same(back, rows))


def main():
    npy, npz = "application/x-npy", "application/x-npz"
    rows = np.arange(6, dtype=np.float32).reshape(3, 2)
    for title, array in {
        "float32": rows,
        "float64": rows.astype(np.float64),
        "column-major": np.asfortranarray(rows),
        "big-endian": rows.astype(">f4"),
        "int8": rows.astype(np.int8),
        "one row": rows[0],
    }.items():
        back = np.load(io.BytesIO(post("/predict/animals", saved(np.save, array), npy, npy)))
        check(".npy of " + title, same(back, np.atleast_2d(rows if array.ndim == 2 else rows[0])))
    half = rows.astype(np.float16)
    check(".npy of float16", same(np.load(io.BytesIO(post("/predict/half", saved(np.save, half), npy, npy))), half))

    words = np.array([["a", "é✓"], ["", "b"]])
    numbers = np.array([[2**62, -1], [0, 9007199254740993]], dtype=np.int64)
    for title, save in {"stored": np.savez, "deflated": np.savez_compressed}.items():
        body = saved(save, **{"in": words, "in2": numbers})
        back = np.load(io.BytesIO(post("/v2/models/pair/infer", body, npz, npz)))
        check(".npz, " + title, (back["out"] == words).all() and same(back["out2"], numbers))

    text = io.StringIO()
    np.savetxt(text, rows, delimiter=",")
    answer = post("/v1/models/animals:predict", text.getvalue().encode(), "text/csv", "text/csv")
    check("CSV", (np.loadtxt(io.BytesIO(answer), delimiter=",") == rows).all())
    try:
        post("/predict/animals", saved(np.save, np.array([{}], dtype=object), allow_pickle=True), npy)
        check("an array of objects is refused", False)
    except urllib.error.HTTPError as error:
        check("an array of objects is refused", error.code == 400)
    arrow()
    check("all", True)


main()
