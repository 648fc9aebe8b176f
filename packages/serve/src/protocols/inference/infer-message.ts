/**
 * `inference.ModelInferRequest` and `ModelInferResponse` (grpc_service.proto), in proto/inference.proto. A request gives its
 * tensors either all as raw bytes, in the order of the inputs, or each in a typed field; the answer comes the same way.
 * FP16 and BF16 have no typed field, so an answer with such an output is raw.
 */
import {
  type DType,
  dtypeOfDatatype,
  elementCount,
  fail,
  fromBytes,
  LIMITS,
  OIP_DATATYPE,
  type Signature,
  type SlipwayError,
  type StringElement,
  stringElement,
  type Tensor,
  type Tensors,
} from '@slipway/core';
import { Gathered, ProtoReader } from '../../grpc/reader.ts';
import { ProtoWriter } from '../../grpc/writer.ts';
import type { Terms } from '../../schedule/terms.ts';
import type { ServedVersion } from '../gateway.ts';
import { decodeVarints, writePacked } from '../packed.ts';
import { decodeBinary, decodeBrainFloat, encodeBinary } from './binary.ts';
import { parameterTerms } from './terms.ts';

type Parameters = ReadonlyMap<string, boolean | number | string>;

interface InputMessage {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly parameters: Parameters;
  /** The message InferTensorContents, not yet read; null when there is none. */
  readonly contents: Buffer | null;
}

export interface InferMessage {
  readonly model: string;
  readonly version: string;
  readonly id: string;
  readonly terms: Terms;
  readonly inputs: readonly InputMessage[];
  readonly outputs: readonly { readonly name: string; readonly parameters: Parameters }[];
  readonly raw: readonly Buffer[];
}

/** @throws REQUEST_MALFORMED */
export function readInferMessage(bytes: Buffer): InferMessage {
  const reader = new ProtoReader(bytes);
  let model = '';
  let version = '';
  let id = '';
  const parameters = new Map<string, boolean | number | string>();
  const inputs: InputMessage[] = [];
  const outputs: InferMessage['outputs'][number][] = [];
  const raw: Buffer[] = [];
  while (reader.next()) {
    switch (reader.field) {
      case 1:
        model = reader.string();
        break;
      case 2:
        version = reader.string();
        break;
      case 3:
        id = reader.string();
        break;
      case 4:
        readParameter(reader.message(), parameters);
        break;
      case 5:
        bounded(inputs.push(readInput(reader.message())), 'inputs');
        break;
      case 6:
        bounded(outputs.push(readOutput(reader.message())), 'outputs');
        break;
      case 7:
        bounded(raw.push(reader.bytes()), 'raw_input_contents');
        break;
      default:
        reader.skip();
    }
  }
  const terms = parameterTerms(parameters.get('timeout'), parameters.get('priority'));
  return { model, version, id, terms, inputs, outputs, raw };
}

function readInput(reader: ProtoReader): InputMessage {
  let name = '';
  let datatype = '';
  const dims = new Gathered();
  const parameters = new Map<string, boolean | number | string>();
  let contents: Buffer | null = null;
  while (reader.next()) {
    switch (reader.field) {
      case 1:
        name = reader.string();
        break;
      case 2:
        datatype = reader.string();
        break;
      case 3:
        dims.add(reader.packed(0));
        break;
      case 4:
        readParameter(reader.message(), parameters);
        break;
      case 5:
        contents = reader.bytes();
        break;
      default:
        reader.skip();
    }
  }
  if (dims.bytes.length > LIMITS.maxRank * 10) {
    throw malformed(`input "${name}": the rank is more than ${LIMITS.maxRank}`);
  }
  const shape = Array.from(decodeVarints('int64', dims.bytes, `the shape of input "${name}"`), Number);
  if (shape.length > LIMITS.maxRank) {
    throw malformed(`input "${name}": the rank ${shape.length} is more than ${LIMITS.maxRank}`);
  }
  return { name, datatype, shape, parameters, contents };
}

function readOutput(reader: ProtoReader): InferMessage['outputs'][number] {
  let name = '';
  const parameters = new Map<string, boolean | number | string>();
  while (reader.next()) {
    if (reader.field === 1) name = reader.string();
    else if (reader.field === 2) readParameter(reader.message(), parameters);
    else reader.skip();
  }
  return { name, parameters };
}

/** One entry of a map of InferParameter. */
function readParameter(entry: ProtoReader, into: Map<string, boolean | number | string>): void {
  let key = '';
  let value: boolean | number | string = '';
  while (entry.next()) {
    if (entry.field === 1) key = entry.string();
    else if (entry.field === 2) {
      const parameter = entry.message();
      while (parameter.next()) {
        if (parameter.field === 1) value = parameter.bool();
        else if (parameter.field === 2) value = parameter.int64();
        else if (parameter.field === 3) value = parameter.string();
        else if (parameter.field === 4) value = parameter.double();
        else if (parameter.field === 5) value = parameter.uint64();
        else parameter.skip();
      }
    } else entry.skip();
  }
  into.set(key, value);
  bounded(into.size, 'parameters');
}

/** The tensors of a request. @throws REQUEST_MALFORMED, TENSOR_INVALID, NOT_IMPLEMENTED */
export function readInputs({ inputs, raw }: InferMessage): Tensors {
  if (raw.length > 0 && raw.length !== inputs.length) {
    throw malformed(`raw_input_contents has ${raw.length} tensors for ${inputs.length} inputs`);
  }
  const tensors: Record<string, Tensor> = {};
  inputs.forEach((input, index) => {
    const where = `input "${input.name}"`;
    if (Object.hasOwn(tensors, input.name)) throw malformed(`${where} is given twice`);
    if (input.parameters.has('shared_memory_region')) {
      const problem = `${where}: shared memory is not supported; send the tensor in the request`;
      throw fail('NOT_IMPLEMENTED', { problem });
    }
    // As data, not as a member: "__proto__" is a name like any other.
    const value = readTensor(input, raw[index], where);
    Object.defineProperty(tensors, input.name, { value, enumerable: true, configurable: true, writable: true });
  });
  return tensors;
}

function readTensor({ datatype, shape, contents }: InputMessage, raw: Buffer | undefined, where: string): Tensor {
  const brain = datatype === 'BF16';
  const dtype = brain ? 'float32' : dtypeOfDatatype(datatype);
  if (dtype === undefined) throw malformed(`${where}: datatype "${datatype.slice(0, 40)}" is not known`);
  const count = elementCount(shape, where);
  if (raw !== undefined) {
    if (contents !== null && contents.length > 0) throw malformed(`${where} has both contents and raw_input_contents`);
    return brain ? decodeBrainFloat(shape, raw, where) : decodeBinary(dtype, shape, raw, where);
  }
  const field = CONTENTS[dtype];
  if (brain || field === null) throw malformed(`${where}: ${datatype} has no typed contents; send raw_input_contents`);
  return readContents(dtype, field, shape, count, contents ?? Buffer.alloc(0), where);
}

/** Fields of InferTensorContents. */
const CONTENTS: Readonly<Record<DType, number | null>> = {
  bool: 1,
  int8: 2,
  int16: 2,
  int32: 2,
  int64: 3,
  uint8: 4,
  uint16: 4,
  uint32: 4,
  uint64: 5,
  float16: null,
  float32: 6,
  float64: 7,
  string: 8,
};

function readContents(
  dtype: DType,
  field: number,
  shape: readonly number[],
  count: number,
  contents: Buffer,
  where: string,
): Tensor {
  const reader = new ProtoReader(contents);
  const elements = new Gathered();
  const texts: StringElement[] = [];
  const wire = dtype === 'float32' ? 5 : dtype === 'float64' ? 1 : 0;
  while (reader.next()) {
    if (reader.field !== field) throw malformed(`${where}: the contents are not those of ${OIP_DATATYPE[dtype]}`);
    if (dtype !== 'string') elements.add(reader.packed(wire));
    else if (texts.push(stringElement(reader.bytes())) > count) break;
  }
  if (dtype === 'string') {
    if (texts.length !== count) throw wrongCount(shape, count, texts.length, where);
    return { dtype, shape, data: texts };
  }
  if (dtype === 'float32' || dtype === 'float64') return fromBytes(dtype, shape, elements.bytes, where);
  const data = decodeVarints(dtype, elements.bytes, where);
  if (data.length !== count) throw wrongCount(shape, count, data.length, where);
  return { dtype, shape, data } as Tensor;
}

/** Names of the outputs that are asked for. @throws REQUEST_MALFORMED, TENSOR_INVALID, NOT_IMPLEMENTED */
export function requestedOutputs({ outputs }: InferMessage, signature: Signature): readonly string[] {
  if (outputs.length === 0) return signature.outputs.map(({ name }) => name);
  const names = new Set<string>();
  for (const { name, parameters } of outputs) {
    if (names.has(name)) throw malformed(`output "${name}" is requested twice`);
    if (!signature.outputs.some((spec) => spec.name === name)) {
      const known = signature.outputs.map((spec) => `"${spec.name}"`).join(', ');
      const where = `output "${name.slice(0, 100)}"`;
      throw fail('TENSOR_INVALID', { where, problem: `the model has no such output; it gives ${known}` });
    }
    for (const unsupported of ['classification', 'shared_memory_region']) {
      if (parameters.has(unsupported) && parameters.get(unsupported) !== 0) {
        throw fail('NOT_IMPLEMENTED', { problem: `output "${name}": the parameter ${unsupported} is not supported` });
      }
    }
    names.add(name);
  }
  return [...names];
}

export function writeInferResponse(
  version: ServedVersion,
  request: InferMessage,
  names: readonly string[],
  outputs: Tensors,
): ProtoWriter {
  const typed = request.raw.length === 0 && request.inputs.some(({ contents }) => contents !== null);
  const raw = !typed || names.some((name) => outputs[name]?.dtype === 'float16');
  const writer = new ProtoWriter().string(1, version.model).string(2, String(version.version));
  if (request.id !== '') writer.string(3, request.id);
  for (const name of names) {
    const tensor = outputs[name] as Tensor;
    const output = new ProtoWriter().string(1, name).string(2, OIP_DATATYPE[tensor.dtype]).packed(3, tensor.shape);
    if (!raw) output.message(5, contentsOf(tensor));
    writer.message(5, output);
  }
  if (raw) for (const name of names) writer.bytes(6, encodeBinary(outputs[name] as Tensor));
  return writer;
}

function contentsOf(tensor: Tensor): ProtoWriter {
  const writer = new ProtoWriter();
  const field = CONTENTS[tensor.dtype] as number;
  if (tensor.dtype === 'string') for (const element of tensor.data) writer.element(field, element);
  else writePacked(writer, field, tensor);
  return writer;
}

/** More of anything repeated is no request of anyone's. */
const MOST = 4096;

function bounded(count: number, what: string): void {
  if (count > MOST) throw malformed(`more than ${MOST} ${what}`);
}

function wrongCount(shape: readonly number[], count: number, given: number, where: string): SlipwayError {
  const problem = `shape [${shape.join(', ')}] needs ${count} elements, ${given} were given`;
  return fail('TENSOR_INVALID', { where, problem });
}

const malformed = (problem: string): SlipwayError => fail('REQUEST_MALFORMED', { problem });
