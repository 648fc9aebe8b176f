/**
 * `POST /predict` and `/predict/NAME`, for people who come from a Flask handler: the input as it is, `{"prediction": …}`
 * out. A request may be one row without its batch axis, and then so is the answer.
 */
import { fail, type Signature, type Tensor, type Tensors, type TensorSpec } from '@slipway/core';
import type { Endpoint } from '../../http/exchange.ts';
import { Numbers } from '../../json/numbers.ts';
import { isObject, type JsonValue } from '../../json/parse.ts';
import { readTensor } from '../../json/tensor.ts';
import { JsonWriter } from '../../json/writer.ts';
import { type Gateway, LATEST } from '../gateway.ts';
import { pathSegments } from '../path.ts';

/** Keys under which the only input is looked for, beside its own name. */
const WRAPPERS = ['input', 'inputs', 'instances', 'data'];

export class PlainRoutes {
  readonly #gateway: Gateway;
  readonly #writer = new JsonWriter('string');

  constructor(gateway: Gateway) {
    this.#gateway = gateway;
  }

  find(path: string): Endpoint | null {
    if (!path.startsWith('/predict')) return null;
    const [word, name, ...more] = pathSegments(path) ?? [];
    if (word !== 'predict' || more.length > 0) return null;
    return {
      route: '/predict',
      methods: ['POST'],
      handle: (exchange) => {
        let oneRow = false;
        const model = name ?? this.#gateway.models.only();
        this.#gateway.infer(
          exchange,
          model,
          LATEST,
          { bytes: exchange.body, nonFinite: false },
          {
            decode: ({ accepts }, value, bytes) => {
              const request = readPlain(value, bytes, accepts);
              oneRow = request.oneRow;
              return { inputs: request.inputs, timeoutMs: null };
            },
            encode: ({ signature }, outputs) => {
              const writer = this.#writer;
              writer.reset();
              writer.raw('{"prediction":');
              writePlain(writer, signature, outputs, oneRow);
              return { contentType: 'application/json', body: writer.raw('}').finish() };
            },
          },
        );
      },
    };
  }
}

/** @throws REQUEST_MALFORMED, TENSOR_INVALID */
export function readPlain(
  request: JsonValue,
  body: Buffer,
  signature: Signature,
): { inputs: Tensors; oneRow: boolean } {
  const values = byInput(request, signature);
  const rowless = signature.inputs.filter((spec) => lacksRows(values[spec.name], spec)).length;
  const oneRow = rowless > 0 && rowless === signature.inputs.length;
  const inputs: Record<string, Tensor> = {};
  for (const spec of signature.inputs) {
    const value = values[spec.name];
    if (value === undefined) throw malformed(`the input "${spec.name}" is missing`);
    const where = `input "${spec.name}"`;
    inputs[spec.name] = readTensor(oneRow ? [value] : value, spec, body, where);
  }
  return { inputs, oneRow };
}

/** The only output as it is; several by name. @param oneRow without the batch axis */
export function writePlain(writer: JsonWriter, signature: Signature, outputs: Tensors, oneRow: boolean): void {
  const write = (name: string): void => {
    const tensor = outputs[name] as Tensor;
    writer.nested(tensor, tensor.shape, oneRow && tensor.shape[0] === 1 ? 1 : 0, 0, false);
  };
  const [first] = signature.outputs;
  if (first !== undefined && signature.outputs.length === 1) write(first.name);
  else {
    writer.object(
      signature.outputs,
      ({ name }) => name,
      ({ name }) => write(name),
    );
  }
}

function byInput(value: JsonValue, signature: Signature): Record<string, JsonValue> {
  const [only] = signature.inputs;
  const known = signature.inputs.map(({ name }) => `"${name}"`).join(', ');
  if (!isObject(value)) {
    if (only !== undefined && signature.inputs.length === 1) return { [only.name]: value };
    throw malformed(`the model has several inputs; send an object with ${known}`);
  }
  const keys = Object.keys(value);
  if (keys.every((key) => signature.inputs.some(({ name }) => name === key))) return value;
  const [key] = keys;
  if (
    only !== undefined &&
    signature.inputs.length === 1 &&
    key !== undefined &&
    keys.length === 1 &&
    WRAPPERS.includes(key)
  ) {
    return { [only.name]: value[key] as JsonValue };
  }
  const strange = keys.find((name) => !signature.inputs.some((spec) => spec.name === name)) ?? '';
  throw malformed(`"${strange.slice(0, 100)}" is not an input of the model; it takes ${known}`);
}

/** One level of arrays less than the model takes: a single row. */
function lacksRows(value: JsonValue | undefined, spec: TensorSpec): boolean {
  if (value === undefined || spec.shape === null || typeof spec.shape[0] !== 'string') return false;
  let depth = 0;
  let level: JsonValue | undefined = value;
  while (Array.isArray(level)) {
    depth++;
    [level] = level;
  }
  return depth + (level instanceof Numbers ? level.shape.length : 0) === spec.shape.length - 1;
}

const malformed = (problem: string) => fail('REQUEST_MALFORMED', { problem });
