/**
 * The body of a TensorFlow Serving predict request: `instances` (one element per row) or `inputs` (one tensor per
 * name), never both.
 */
import { fail, type Signature, type Tensor, type Tensors, type TensorSpec } from '@slipway/core';
import { Numbers } from '../../json/numbers.ts';
import { isObject, type JsonObject, type JsonValue } from '../../json/parse.ts';
import { isBase64, readTensor, stackValues } from '../../json/tensor.ts';
import { addTensor } from '../inference/binary.ts';
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
    throw malformed("Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist");
  }
  if (instances !== undefined) return { inputs: readRows(instances, body, signature), format: 'row' };
  if (inputs !== undefined) return { inputs: readColumns(inputs, body, signature), format: 'columnar' };
  throw malformed("Missing 'inputs' or 'instances' key");
}

function readRows(instances: JsonValue, body: Buffer, signature: Signature): Tensors {
  if (instances instanceof Numbers) return { [only(signature).name]: read(instances, only(signature), body) };
  if (!Array.isArray(instances)) throw malformed("Expecting 'instances' to be a list, one element per row");
  if (instances.length === 0) throw malformed("No values in 'instances' array");
  const [first] = instances;
  if (!isObject(first) || isBase64(first)) return { [only(signature).name]: read(instances, only(signature), body) };
  const inputs: Record<string, Tensor> = {};
  instances.forEach((row, index) => {
    if (!isObject(row)) throw malformed(`Expecting object but got list at item ${index} of input list`);
    const keys = Object.keys(row);
    if (keys.length === signature.inputs.length && signature.inputs.every(({ name }) => name in row)) return;
    const given = keys
      .slice(0, 20)
      .map((key) => key.slice(0, 100))
      .join(',');
    throw malformed(
      `Failed to process element: ${index} of 'instances' list. JSON object: {${given}} keys must be equal to: ${names(signature)}`,
    );
  });
  for (const spec of signature.inputs) {
    const column = stackValues(instances.map((row) => (row as JsonObject)[spec.name] as JsonValue));
    addTensor(inputs, spec.name, read(column, spec, body));
  }
  return inputs;
}

function readColumns(value: JsonValue, body: Buffer, signature: Signature): Tensors {
  if (!isObject(value) || isBase64(value)) return { [only(signature).name]: read(value, only(signature), body) };
  const inputs: Record<string, Tensor> = {};
  for (const key in value) if (!signature.inputs.some(({ name }) => name === key)) throw unknown(key, signature);
  for (const spec of signature.inputs) {
    const column = value[spec.name];
    if (column === undefined) throw malformed(`Missing named input: ${spec.name} in 'inputs' object.`);
    addTensor(inputs, spec.name, read(column, spec, body));
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

const names = ({ inputs }: Signature): string => inputs.map(({ name }) => name).join(',');
const malformed = (problem: string) => fail('REQUEST_MALFORMED', { problem });
const unknown = (key: string, signature: Signature) =>
  malformed(`"${key.slice(0, 100)}" is not an input of the model; it takes ${names(signature)}`);
