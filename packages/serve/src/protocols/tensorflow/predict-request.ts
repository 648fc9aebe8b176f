/**
 * The body of a TensorFlow Serving predict request: `instances` (one element per row) or `inputs` (one tensor per
 * name), never both.
 */
import { fail, type Signature, type Tensor, type Tensors, type TensorSpec } from '@slipway/core';
import { Numbers } from '../../json/numbers.ts';
import { isObject, type JsonObject, type JsonValue } from '../../json/parse.ts';
import { readTensor } from '../../json/tensor.ts';

export interface PredictRequest {
  readonly inputs: Tensors;
  readonly format: 'row' | 'columnar';
}

/** ONNX models have one signature; this is what TensorFlow calls the default one. */
export const SIGNATURE_NAME = 'serving_default';

/** @param body the text of `request`. @throws REQUEST_MALFORMED, TENSOR_INVALID */
export function readPredictRequest(request: JsonValue, body: Buffer, signature: Signature): PredictRequest {
  if (!isObject(request)) throw malformed('the body must be a JSON object with "instances" or "inputs"');
  const name = request.signature_name;
  if (name !== undefined && name !== SIGNATURE_NAME && name !== '') {
    throw malformed(
      `Serving signature name: ${JSON.stringify(describe(name))} not found; there is "${SIGNATURE_NAME}"`,
    );
  }
  const { instances, inputs } = request;
  if (instances !== undefined && inputs !== undefined) {
    throw malformed('give either "instances" or "inputs", not both');
  }
  if (instances !== undefined) return { inputs: readRows(instances, body, signature), format: 'row' };
  if (inputs !== undefined) return { inputs: readColumns(inputs, body, signature), format: 'columnar' };
  throw malformed('neither "instances" nor "inputs" is given');
}

function readRows(instances: JsonValue, body: Buffer, signature: Signature): Tensors {
  if (instances instanceof Numbers) return { [only(signature).name]: read(instances, only(signature), body) };
  if (!Array.isArray(instances)) throw malformed('"instances" must be an array, one element per row');
  if (instances.length === 0) throw malformed('"instances" is empty');
  const [first] = instances;
  if (!isObject(first) || isBase64(first)) return { [only(signature).name]: read(instances, only(signature), body) };
  const inputs: Record<string, Tensor> = {};
  instances.forEach((row, index) => {
    if (!isObject(row)) throw malformed(`instances[${index}] is not an object, others are`);
    for (const key in row) if (!signature.inputs.some((spec) => spec.name === key)) throw unknown(key, signature);
    for (const { name } of signature.inputs) {
      if (!(name in row)) throw malformed(`instances[${index}] lacks the input "${name}"`);
    }
  });
  for (const spec of signature.inputs) {
    inputs[spec.name] = read(
      stackValues(instances.map((row) => (row as JsonObject)[spec.name] as JsonValue)),
      spec,
      body,
    );
  }
  return inputs;
}

function readColumns(value: JsonValue, body: Buffer, signature: Signature): Tensors {
  if (!isObject(value) || isBase64(value)) return { [only(signature).name]: read(value, only(signature), body) };
  const inputs: Record<string, Tensor> = {};
  for (const key in value) {
    const spec = signature.inputs.find(({ name }) => name === key);
    if (spec === undefined) throw unknown(key, signature);
    inputs[key] = read(value[key] as JsonValue, spec, body);
  }
  return inputs;
}

/** The value of one input in every row, as one value; of equal arrays of numbers, as one array of numbers. */
function stackValues(values: JsonValue[]): JsonValue {
  const [first] = values;
  if (!(first instanceof Numbers)) return values;
  const size = first.values.length;
  const stacked = new Float64Array(values.length * size);
  for (let row = 0; row < values.length; row++) {
    const value = values[row];
    if (!(value instanceof Numbers) || !value.exact || value.values.length !== size || !sameShape(value, first)) {
      return values;
    }
    stacked.set(value.values, row * size);
  }
  return new Numbers([values.length, ...first.shape], stacked, true, 0, 0);
}

const sameShape = (a: Numbers, b: Numbers): boolean =>
  a.shape.length === b.shape.length && a.shape.every((size, axis) => size === b.shape[axis]);

const isBase64 = (value: JsonObject): boolean => 'b64' in value && Object.keys(value).length === 1;

function read(value: JsonValue, spec: TensorSpec, body: Buffer): Tensor {
  return readTensor(value, spec, body, `input "${spec.name}"`);
}

function only(signature: Signature): TensorSpec {
  const [spec] = signature.inputs;
  if (spec !== undefined && signature.inputs.length === 1) return spec;
  throw malformed(`the model has several inputs, name them: ${names(signature)}`);
}

const names = (signature: Signature): string => signature.inputs.map(({ name }) => `"${name}"`).join(', ');
const describe = (value: JsonValue): string => (typeof value === 'string' ? value.slice(0, 100) : 'not a string');
const malformed = (problem: string) => fail('REQUEST_MALFORMED', { problem });
const unknown = (key: string, signature: Signature) =>
  malformed(`"${key.slice(0, 100)}" is not an input of the model; it takes ${names(signature)}`);
