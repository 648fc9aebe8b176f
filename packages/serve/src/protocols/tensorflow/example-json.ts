/**
 * The body of a classify or regress request: `{"signature_name"?, "context"?: {feature: value}, "examples": [{feature: value}]}`,
 * where a value is a scalar, a flat list, or `{"b64": "…"}` for a string.
 *
 * TensorFlow decides from the text of a number whether it is an integer or a float, and refuses a list of both; what counts
 * here is what the model takes, by the rules of predict. Booleans are 0 and 1, as in a tf.Example.
 */
import { fail, type Signature, type SlipwayError, type Tensor, type Tensors, type TensorSpec } from '@slipway/core';
import { Numbers } from '../../json/numbers.ts';
import { isObject, type JsonValue } from '../../json/parse.ts';
import { isBase64, readTensor, stackValues } from '../../json/tensor.ts';
import { addTensor } from '../inference/binary.ts';
import { checkSize, featureOf, missing, rowsShape, sameLength } from './examples.ts';

/**
 * @param body the text of `request`
 * @param mostBytes of one input
 * @throws REQUEST_MALFORMED, TENSOR_INVALID, BODY_TOO_LARGE
 */
export function readExamplesRequest(
  request: JsonValue,
  body: Buffer,
  signature: Signature,
  mostBytes: number,
): Tensors {
  if (!isObject(request)) throw malformed('the body must be a JSON object with "examples"');
  const { context, examples } = request;
  if (context !== undefined && !isObject(context)) {
    throw malformed(`Example must be JSON object but got JSON ${kindOf(context)}`);
  }
  if (examples === undefined) throw malformed("the key 'examples' is expected and was not found");
  if (examples instanceof Numbers) throw malformed('Example must be JSON object but got JSON Number');
  if (!Array.isArray(examples)) throw malformed("Expecting 'examples' value to be an list/array");
  if (examples.length === 0) throw malformed("'examples' value is an empty array");
  const rows = examples.map((example) => {
    if (isObject(example)) return example;
    throw malformed(`Example must be JSON object but got JSON ${kindOf(example)}`);
  });
  const inputs: Record<string, Tensor> = {};
  for (const spec of signature.inputs) {
    const features = rows.map((example, row) => {
      const value = example[spec.name] ?? context?.[spec.name];
      if (value === undefined) throw missing(spec, row, signature);
      return value;
    });
    addTensor(inputs, spec.name, inputOf(spec, features, body, mostBytes));
  }
  return inputs;
}

function inputOf(spec: TensorSpec, features: readonly JsonValue[], body: Buffer, mostBytes: number): Tensor {
  const lists = features.map((value, row) => flatList(spec, value, row));
  const length = sameLength(
    spec,
    lists.map((list) => (list instanceof Numbers ? list.values.length : list.length)),
  );
  checkSize(spec.dtype, features.length * length, mostBytes);
  const shape = rowsShape(spec, features.length, length);
  const flat = { ...spec, shape: ['batch', length] };
  const tensor = readTensor(stackValues(lists), flat, body, `feature "${spec.name}", examples`);
  return { ...tensor, shape };
}

function flatList(spec: TensorSpec, value: JsonValue, row: number): Numbers | JsonValue[] {
  const where = featureOf(spec, row);
  if (value instanceof Numbers && spec.dtype !== 'bool') {
    if (value.shape.length === 1) return value;
    throw unexpected(where, 'Array');
  }
  const list = value instanceof Numbers ? [...value.values] : Array.isArray(value) ? value : [value];
  return list.map((element) => scalar(spec, element, where));
}

function scalar(spec: TensorSpec, element: JsonValue, where: string): JsonValue {
  if (element === null || Array.isArray(element) || element instanceof Numbers) {
    throw unexpected(where, kindOf(element));
  }
  if (isObject(element)) {
    if (isBase64(element)) return element;
    throw unexpected(where, 'Object');
  }
  if (typeof element === 'boolean' && spec.dtype !== 'bool') return element ? 1 : 0;
  if (spec.dtype === 'bool' && (element === 0 || element === 1)) return element === 1;
  return element;
}

function kindOf(value: JsonValue): string {
  if (value === null) return 'Null';
  if (value instanceof Numbers || Array.isArray(value)) return 'Array';
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (typeof value === 'string') return 'String';
  return typeof value === 'object' ? 'Object' : 'Number';
}

const unexpected = (where: string, kind: string): SlipwayError =>
  fail('TENSOR_INVALID', { where, problem: `has element with unexpected JSON type: ${kind}; a flat list is expected` });
const malformed = (problem: string): SlipwayError => fail('REQUEST_MALFORMED', { problem });
