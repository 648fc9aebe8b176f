/**
 * The body of an Open Inference Protocol request: JSON, or JSON followed by raw tensors (binary tensor extension), or
 * nothing but the bytes of a single input (header length 0).
 */
import {
  BYTES_PER_ELEMENT,
  type DType,
  elementCount,
  fail,
  LIMITS,
  type Signature,
  type Tensor,
  type Tensors,
  type TensorSpec,
  dtypeOfDatatype,
} from '@slipway/core';
import { Numbers } from '../../json/numbers.ts';
import { isObject, type JsonObject, type JsonValue } from '../../json/parse.ts';
import { readTensor } from '../../json/tensor.ts';
import type { Terms } from '../../schedule/terms.ts';
import { addTensor, decodeBinary, decodeRaw, roundToBrainFloat } from './binary.ts';
import {
  jsonParameters,
  type Parameters,
  readRequestParameters,
  regionPart,
  type RequestedOutput,
  requestedOutputs,
  whole,
} from './parameters.ts';
import type { SharedMemory } from './shared-memory.ts';

export interface InferRequest extends Terms {
  readonly id: string | null;
  readonly inputs: Tensors;
  readonly outputs: readonly RequestedOutput[];
  /** What was read from shared memory for the inputs. */
  readonly read: readonly Buffer[];
}

/**
 * How much of the body is JSON; 0 when none is, and the body is the one input.
 * @param headerLength the header `Inference-Header-Content-Length`
 */
export function jsonLength(body: Buffer, headerLength: string | undefined): number {
  if (headerLength === undefined) return body.length;
  const length = /^\d{1,15}$/.test(headerLength) ? Number(headerLength) : -1;
  if (length >= 0 && length <= body.length) return length;
  const given = headerLength.slice(0, 40);
  throw malformed(`Inference-Header-Content-Length "${given}" is not a length within the body (${body.length} bytes)`);
}

/** What an `infer` body is read with. */
interface Reading {
  /** The text of the JSON. */
  readonly json: Buffer;
  /** What follows it. */
  readonly raw: Buffer;
  readonly signature: Signature;
  readonly memory: SharedMemory;
}

export function readInferRequest(request: JsonValue, reading: Reading): InferRequest {
  return new Reader(reading).read(request);
}

class Reader {
  readonly #json: Buffer;
  readonly #raw: Buffer;
  readonly #signature: Signature;
  readonly #memory: SharedMemory;
  readonly #read: Buffer[] = [];
  /** Where the next raw tensor starts. */
  #at = 0;

  constructor({ json, raw, signature, memory }: Reading) {
    this.#json = json;
    this.#raw = raw;
    this.#signature = signature;
    this.#memory = memory;
  }

  read(request: JsonValue): InferRequest {
    if (!isObject(request)) throw malformed('the body must be a JSON object with "inputs"');
    const { id, inputs, outputs } = request;
    if (id !== undefined && typeof id !== 'string') throw malformed('"id" must be a string');
    if (!Array.isArray(inputs)) throw malformed('"inputs" must be an array of tensors');
    const tensors: Record<string, Tensor> = {};
    for (const input of inputs) {
      if (!isObject(input) || typeof input.name !== 'string') {
        throw malformed('every input must be an object with a "name"');
      }
      if (Object.hasOwn(tensors, input.name)) throw malformed(`input "${input.name}" is given twice`);
      addTensor(tensors, input.name, this.#input(input, input.name));
    }
    if (this.#at !== this.#raw.length) {
      throw malformed(`${this.#raw.length - this.#at} bytes after the last binary tensor belong to no input`);
    }
    const { binaryOutput, ...terms } = readRequestParameters(jsonParameters(request.parameters, 'the request'));
    return {
      id: id ?? null,
      inputs: tensors,
      outputs: requestedOutputs(readOutputs(outputs), binaryOutput, this.#signature),
      read: this.#read,
      ...terms,
    };
  }

  #input(input: JsonObject, name: string): Tensor {
    const where = `input "${name}"`;
    const shape = shapeOf(input.shape, where);
    const { datatype, data } = input;
    if (typeof datatype !== 'string') throw malformed(`${where} has no "datatype"`);
    const brain = datatype === 'BF16';
    const dtype = brain ? 'float32' : dtypeOfDatatype(datatype);
    if (dtype === undefined) throw malformed(`${where}: datatype "${datatype.slice(0, 40)}" is not known`);
    const parameters = jsonParameters(input.parameters, where);
    const part = regionPart(parameters, where);
    const size = whole(parameters, 'binary_data_size');
    if (part !== null) {
      if (data !== undefined || size !== null) {
        throw malformed(
          `${where} is in shared memory, and has ${data === undefined ? 'binary_data_size' : '"data"'} too`,
        );
      }
      const bytes = this.#memory.read(part, where);
      this.#read.push(bytes);
      return decodeRaw(datatype, dtype, shape, bytes, where);
    }
    if (size === null) {
      if (data === undefined) throw malformed(`${where} has neither "data" nor the parameter binary_data_size`);
      const tensor = this.#jsonData(data, dtype, shape, where);
      return brain && tensor.dtype === 'float32' ? roundToBrainFloat(tensor) : tensor;
    }
    if (data !== undefined) throw malformed(`${where} has both "data" and binary_data_size`);
    if (size > this.#raw.length - this.#at) {
      throw malformed(`${where}: binary_data_size is ${size}, but only ${this.#raw.length - this.#at} bytes follow`);
    }
    const bytes = this.#raw.subarray(this.#at, this.#at + size);
    this.#at += size;
    return decodeRaw(datatype, dtype, shape, bytes, where);
  }

  /** Flat in row-major order, or nested as the shape says. */
  #jsonData(data: JsonValue, dtype: DType, shape: readonly number[], where: string): Tensor {
    const count = elementCount(shape, where);
    const flat = data instanceof Numbers ? data.shape.length === 1 : Array.isArray(data) && !data.some(isNested);
    if (!flat || shape.length === 1) return readTensor(data, { name: '', dtype, shape }, this.#json, where);
    const tensor = readTensor(data, { name: '', dtype, shape: ['?'] }, this.#json, where);
    if (tensor.data.length !== count) {
      throw fail('TENSOR_INVALID', {
        where,
        problem: `shape [${shape.join(', ')}] needs ${count} elements, ${tensor.data.length} were given`,
      });
    }
    return { ...tensor, shape };
  }
}

const isNested = (value: JsonValue): boolean => Array.isArray(value) || value instanceof Numbers;

/** The whole body is the one input; what its free dimension is follows from the size. */
export function readRawRequest(body: Buffer, signature: Signature): InferRequest {
  const [spec] = signature.inputs;
  if (spec === undefined || signature.inputs.length !== 1) {
    throw malformed('Inference-Header-Content-Length 0 (raw request) needs a model with exactly one input');
  }
  const tensor = decodeBinary(spec.dtype, rawShape(spec, body), body, `input "${spec.name}"`);
  const outputs = requestedOutputs([], true, signature);
  return { id: null, inputs: { [spec.name]: tensor }, outputs, read: [], timeoutMs: null };
}

function rawShape(spec: TensorSpec, body: Buffer): number[] {
  if (spec.shape === null) throw malformed('a raw request needs a model whose input has a known rank');
  if (spec.dtype === 'string') return spec.shape.map((dim) => (typeof dim === 'number' ? dim : 1));
  // With more than one free dimension the first is the batch, of one row.
  const shape = [...spec.shape];
  if (shape.filter((dim) => typeof dim === 'string').length > 1 && typeof shape[0] === 'string') shape[0] = 1;
  const free = shape.filter((dim) => typeof dim === 'string').length;
  if (free > 1) throw malformed('a raw request needs a model with at most one free dimension beside the batch');
  const fixed = shape.reduce<number>((product, dim) => (typeof dim === 'number' ? product * dim : product), 1);
  const elements = body.length / BYTES_PER_ELEMENT[spec.dtype];
  const size = fixed === 0 ? 0 : Math.floor(elements / fixed);
  return shape.map((dim) => (typeof dim === 'number' ? dim : size));
}

/** An empty list means the same as none: tritonclient sends it. */
function readOutputs(outputs: JsonValue | undefined): { name: string; parameters: Parameters }[] {
  if (outputs === undefined) return [];
  if (!Array.isArray(outputs)) throw malformed('"outputs" must be an array');
  return outputs.map((output) => {
    if (!isObject(output) || typeof output.name !== 'string') {
      throw malformed('every output must be an object with a "name"');
    }
    const { name } = output;
    return { name, parameters: jsonParameters(output.parameters, `output "${name.slice(0, 100)}"`) };
  });
}

function shapeOf(value: JsonValue | undefined, where: string): number[] {
  const dims = value instanceof Numbers && value.shape.length === 1 && value.exact ? [...value.values] : null;
  const shape = dims ?? (Array.isArray(value) && value.length === 0 ? [] : null);
  if (shape === null) throw malformed(`${where}: "shape" must be an array of whole numbers`);
  if (shape.length > LIMITS.maxRank) {
    throw malformed(`${where}: the rank ${shape.length} is more than ${LIMITS.maxRank}`);
  }
  elementCount(shape, where);
  return shape;
}

const malformed = (problem: string) => fail('REQUEST_MALFORMED', { problem });
