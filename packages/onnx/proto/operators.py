"""Writes src/generated/operators.ts: what the ONNX standard says about each operator version.

Run with the onnx package of the version named below: python operators.py > ../src/generated/operators.ts
"""
import onnx
from onnx import defs

VERSION = "1.23.2"
assert onnx.__version__ == VERSION, f"needs onnx {VERSION}, found {onnx.__version__}"

LETTERS = {
    "FLOAT": "f", "INT": "i", "STRING": "s", "TENSOR": "t", "GRAPH": "g", "SPARSE_TENSOR": "z", "TYPE_PROTO": "y",
    "FLOATS": "F", "INTS": "I", "STRINGS": "S", "TENSORS": "T", "GRAPHS": "G", "SPARSE_TENSORS": "Z", "TYPE_PROTOS": "Y",
}
MANY = 2147483647


def bounds(low, high):
    return f"{low}-{'*' if high == MANY else high}"


lines = []
for schema in defs.get_all_schemas_with_history():
    if schema.domain not in ("", "ai.onnx.ml"):
        continue
    name = schema.name if schema.domain == "" else f"{schema.domain}.{schema.name}"
    if schema.deprecated:
        lines.append((name, schema.since_version, f"{name} {schema.since_version} deprecated"))
        continue
    attributes = [
        f"{attribute.name}:{LETTERS[attribute.type.name]}{'!' if attribute.required else ''}"
        for attribute in sorted(schema.attributes.values(), key=lambda item: item.name)
    ]
    arity = f"{bounds(schema.min_input, schema.max_input)} {bounds(schema.min_output, schema.max_output)}"
    lines.append((name, schema.since_version, " ".join([name, str(schema.since_version), arity, *attributes])))

print("/**")
print(f" * Generated from the operator schemas of onnx {VERSION} (Apache-2.0) by proto/operators.py. One line per operator version:")
print(" * name, first operator set version, inputs, outputs, attributes with their type; `!` marks a required one.")
print(" */")
print("export const OPERATOR_SCHEMAS = `")
for _, _, line in sorted(lines):
    print(line)
print("`;")
