/**
 * The body of a TensorFlow Serving predict request: `instances` (one element per row) or `inputs` (one tensor per
 * name), never both.
 */
import { fail, type Signature, type Tensor, type Tensors, type TensorSpec } from '@slipway/core';
import { Numbers } from '../../json/numbers.ts';
import { isObject, type JsonObject, type JsonValue } from '../../json/parse.ts';
import { isBase64, readTensor, stackValues } from '../../json/tensor.ts';
import { signatureNamed } from './signatures.ts';

export interface PredictRequest {
  readonly inputs: Tensors;
  readonly format: 'row' | 'columnar';
}

/** @param body the text of `request`. @throws REQUEST_MALFORMED, TENSOR_INVALID */
export function readPredictRequest(request: JsonValue, body: Buffer, signature: Signature): PredictRequest {
  if (!isObject(request)) throw malformed('the body must be a JSON object with "instances" or "inputs"');
  signatureNamed(request.signature_name, 'predict');
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

function read(value: JsonValue, spec: TensorSpec, body: Buffer): Tensor {
  return readTensor(value, spec, body, `input "${spec.name}"`);
}

function only(signature: Signature): TensorSpec {
  const [spec] = signature.inputs;
  if (spec !== undefined && signature.inputs.length === 1) return spec;
  throw malformed(`the model has several inputs, name them: ${names(signature)}`);
}

const names = (signature: Signature): string => signature.inputs.map(({ name }) => `"${name}"`).join(', ');
const malformed = (problem: string) => fail('REQUEST_MALFORMED', { problem });
const unknown = (key: string, signature: Signature) =>
  malformed(`"${key.slice(0, 100)}" is not an input of the model; it takes ${names(signature)}`);
