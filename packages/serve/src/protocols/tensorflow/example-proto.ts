/**
 * `tensorflow.serving.Input` (input.proto) to inputs: an `ExampleList`, or an `ExampleListWithContext`.
 *
 * | feature      | goes into                                             |
 * | ------------ | ----------------------------------------------------- |
 * | `float_list` | float16, float32, float64                             |
 * | `int64_list` | every integer and bool, if it fits; floats            |
 * | `bytes_list` | strings                                               |
 */
import {
  ARRAY_OF,
  fail,
  type NumericDType,
  numbersToFloat16,
  type StringElement,
  stringElement,
  type Signature,
  type Tensor,
  type Tensors,
  type TensorSpec,
} from '@slipway/core';
import { Gathered, ProtoReader } from '../../grpc/reader.ts';
import { decodeVarints } from '../packed.ts';
import { addTensor } from '../inference/binary.ts';
import { checkSize, featureOf, missing, rowsShape, sameLength } from './examples.ts';

/** Of one feature: exactly one is not null. */
interface Feature {
  readonly bytes: readonly Buffer[] | null;
  /** float32, little-endian. */
  readonly floats: Buffer | null;
  /** Varints. */
  readonly integers: Buffer | null;
}

/** The messages of the features an example has, in the order of the inputs. */
type Example = readonly (Buffer | undefined)[];

/**
 * @param mostBytes of one input
 * @throws REQUEST_MALFORMED, TENSOR_INVALID, BODY_TOO_LARGE
 */
export function readInput(bytes: Buffer, signature: Signature, mostBytes: number): Tensors {
  const index = new Map(signature.inputs.map(({ name }, at) => [name, at]));
  const examples = readExamples(new ProtoReader(bytes), index);
  if (examples.length === 0) throw fail('REQUEST_MALFORMED', { problem: 'Input is empty.' });
  const inputs: Record<string, Tensor> = {};
  signature.inputs.forEach((spec, at) => {
    // Examples that take a feature from the context share its bytes: it is read once.
    const known = new Map<Buffer, Feature>();
    const features = examples.map((example, row) => {
      const message = example[at];
      if (message === undefined) throw missing(spec, row, signature);
      let feature = known.get(message);
      if (feature === undefined) known.set(message, (feature = readFeature(message)));
      return feature;
    });
    addTensor(inputs, spec.name, inputOf(spec, features, mostBytes));
  });
  return inputs;
}

function readExamples(reader: ProtoReader, index: ReadonlyMap<string, number>): Example[] {
  const given: Buffer[] = [];
  let context: Buffer | null = null;
  while (reader.next()) {
    if (reader.field !== 1 && reader.field !== 2) {
      reader.skip();
      continue;
    }
    const list = reader.message();
    const { field } = reader;
    while (list.next()) {
      if (list.field === 1) given.push(list.bytes());
      else if (list.field === 2 && field === 2) context = list.bytes();
      else list.skip();
    }
  }
  const shared: Example = context === null ? [] : readExample(context, index, []);
  return given.map((bytes) => readExample(bytes, index, shared));
}

function readExample(bytes: Buffer, index: ReadonlyMap<string, number>, shared: Example): Example {
  if (bytes.length === 0) return shared;
  const found: (Buffer | undefined)[] = [...shared];
  const example = new ProtoReader(bytes);
  while (example.next()) {
    if (example.field !== 1) {
      example.skip();
      continue;
    }
    const features = example.message();
    while (features.next()) {
      if (features.field !== 1) {
        features.skip();
        continue;
      }
      const entry = features.message();
      let key = '';
      let value: Buffer = Buffer.alloc(0);
      while (entry.next()) {
        if (entry.field === 1) key = entry.string();
        else if (entry.field === 2) value = entry.bytes();
        else entry.skip();
      }
      const at = index.get(key);
      if (at !== undefined) found[at] = value;
    }
  }
  return found;
}

/** Fields of Feature. */
const BYTES_LIST = 1;
const FLOAT_LIST = 2;

function readFeature(message: Buffer): Feature {
  const reader = new ProtoReader(message);
  let feature: Feature = { bytes: [], floats: null, integers: null };
  while (reader.next()) {
    const { field } = reader;
    if (field < 1 || field > 3) {
      reader.skip();
      continue;
    }
    const list = reader.message();
    const strings: Buffer[] = [];
    const numbers = new Gathered();
    while (list.next()) {
      if (list.field !== 1) list.skip();
      else if (field === BYTES_LIST) strings.push(list.bytes());
      else numbers.add(list.packed(field === FLOAT_LIST ? 5 : 0));
    }
    if (field === BYTES_LIST) feature = { bytes: strings, floats: null, integers: null };
    else if (field === FLOAT_LIST) feature = { bytes: null, floats: numbers.bytes, integers: null };
    else feature = { bytes: null, floats: null, integers: numbers.bytes };
  }
  return feature;
}

function inputOf(spec: TensorSpec, features: readonly Feature[], mostBytes: number): Tensor {
  const { dtype } = spec;
  const parts = new Map<Feature, ArrayLike<number | bigint | StringElement>>();
  const lengths = features.map((feature, row) => {
    let values = parts.get(feature);
    if (values === undefined) parts.set(feature, (values = valuesOf(spec, feature, row)));
    return values.length;
  });
  const length = sameLength(spec, lengths);
  checkSize(dtype, features.length * length, mostBytes);
  const shape = rowsShape(spec, features.length, length);
  const partOf = (feature: Feature): ArrayLike<number | bigint | StringElement> => parts.get(feature) ?? [];
  if (dtype === 'string') {
    return { dtype, shape, data: features.flatMap((feature) => partOf(feature) as StringElement[]) };
  }
  const data = new ARRAY_OF[dtype](features.length * length);
  features.forEach((feature, row) => data.set(partOf(feature) as never, row * length));
  return { dtype, shape, data } as Tensor;
}

function valuesOf(spec: TensorSpec, feature: Feature, row: number): ArrayLike<number | bigint | StringElement> {
  const { dtype } = spec;
  const where = featureOf(spec, row);
  const wrong = (given: string) => fail('TENSOR_INVALID', { where, problem: `has ${given}, the model takes ${dtype}` });
  if (feature.bytes !== null) {
    if (dtype !== 'string') throw wrong(feature.bytes.length === 0 ? 'no values' : 'bytes');
    return feature.bytes.map(stringElement);
  }
  if (dtype === 'string') throw wrong('numbers');
  if (feature.integers !== null) return fromIntegers(dtype, feature.integers, where);
  if (dtype !== 'float32' && dtype !== 'float64' && dtype !== 'float16') throw wrong('floats');
  const bytes = feature.floats ?? Buffer.alloc(0);
  if (bytes.length % 4 !== 0) throw fail('TENSOR_INVALID', { where, problem: 'the last float is cut off' });
  const floats = new Float32Array(new Uint8Array(bytes).buffer);
  return dtype === 'float16' ? numbersToFloat16(Float64Array.from(floats)) : floats;
}

/** Of an int64 list, whatever the dtype: so a number below zero is no number for an unsigned one. */
function fromIntegers(dtype: NumericDType, varints: Buffer, where: string): ArrayLike<number | bigint> {
  if (dtype === 'float16' || dtype === 'float32' || dtype === 'float64') {
    const numbers = Float64Array.from(decodeVarints('int64', varints, where), Number);
    return dtype === 'float16' ? numbersToFloat16(numbers) : numbers;
  }
  if (dtype !== 'uint64') return decodeVarints(dtype, varints, where);
  const signed = decodeVarints('int64', varints, where);
  const below = signed.findIndex((value) => value < 0n);
  if (below === -1) return new BigUint64Array(signed.buffer, signed.byteOffset, signed.length);
  throw fail('TENSOR_INVALID', {
    where,
    problem: `element ${below} is ${signed[below] ?? 0n}, which does not fit uint64`,
  });
}
