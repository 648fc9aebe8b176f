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
  type SlipwayError,
  type StringElement,
  stringElement,
  type Tensor,
  type Tensors,
} from '@slipway/core';
import { Gathered, ProtoReader } from '../../grpc/reader.ts';
import { ProtoWriter } from '../../grpc/writer.ts';
import type { ServedVersion } from '../gateway.ts';
import { decodeVarints, writePacked } from '../packed.ts';
import { addTensor, decodeRaw, encodeBinary } from './binary.ts';
import type { Answered } from './outputs.ts';
import { type Parameters, regionPart } from './parameters.ts';
import type { SharedMemory } from './shared-memory.ts';

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
  readonly parameters: Parameters;
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
  return { model, version, id, parameters, inputs, outputs, raw };
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

/**
 * The tensors of a request. Raw contents are those of the inputs that are not in shared memory, in their order.
 * @param read gets what was read from shared memory
 * @throws REQUEST_MALFORMED, TENSOR_INVALID, SHARED_MEMORY
 */
export function readInputs({ inputs, raw }: InferMessage, memory: SharedMemory, read: Buffer[] = []): Tensors {
  const tensors: Record<string, Tensor> = {};
  let taken = 0;
  for (const input of inputs) {
    const where = `input "${input.name}"`;
    if (Object.hasOwn(tensors, input.name)) throw malformed(`${where} is given twice`);
    const part = regionPart(input.parameters, where);
    const given = input.contents !== null && input.contents.length > 0;
    if (given && (part !== null || raw.length > 0)) {
      throw malformed(`${where} has both contents and ${part === null ? 'raw_input_contents' : 'shared memory'}`);
    }
    const bytes = part === null ? raw[taken] : memory.read(part, where);
    if (part === null) taken++;
    else if (bytes !== undefined) read.push(bytes);
    addTensor(tensors, input.name, readTensor(input, bytes, where));
  }
  if (raw.length > 0 && raw.length !== taken) {
    throw malformed(`raw_input_contents has ${raw.length} tensors for ${taken} inputs`);
  }
  return tensors;
}

function readTensor({ datatype, shape, contents }: InputMessage, raw: Buffer | undefined, where: string): Tensor {
  const brain = datatype === 'BF16';
  const dtype = brain ? 'float32' : dtypeOfDatatype(datatype);
  if (dtype === undefined) throw malformed(`${where}: datatype "${datatype.slice(0, 40)}" is not known`);
  const count = elementCount(shape, where);
  if (raw !== undefined) return decodeRaw(datatype, dtype, shape, raw, where);
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

/** @param final the answer is one of a stream, which says of each whether it is the last for its request */
export function writeInferResponse(
  version: ServedVersion,
  request: InferMessage,
  outputs: readonly Answered[],
  final: boolean,
): ProtoWriter {
  const typed = request.raw.length === 0 && request.inputs.some(({ contents }) => contents !== null);
  const raw = !typed || outputs.some(({ tensor }) => tensor.dtype === 'float16');
  const writer = new ProtoWriter().string(1, version.model).string(2, String(version.version));
  if (request.id !== '') writer.string(3, request.id);
  if (final) writer.message(4, FINAL);
  for (const { name, tensor, inMemory } of outputs) {
    const output = new ProtoWriter().string(1, name).string(2, OIP_DATATYPE[tensor.dtype]).packed(3, tensor.shape);
    if (!raw && !inMemory) output.message(5, contentsOf(tensor));
    writer.message(5, output);
  }
  // Clients find the bytes of an output by its place, so that one in shared memory leaves an empty place.
  if (raw) for (const { tensor, inMemory } of outputs) writer.bytes(6, inMemory ? NOTHING : encodeBinary(tensor));
  return writer;
}

const NOTHING = new Uint8Array(0);
/** The parameter `triton_final_response`, true: every request has one answer. */
const FINAL = new ProtoWriter().string(1, 'triton_final_response').message(2, new ProtoWriter().bool(1, true));

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
