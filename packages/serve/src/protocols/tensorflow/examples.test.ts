/** tf.Example to inputs: both ways to write one agree, contexts are merged, and memory is bounded by more than what was sent. */
import { type DType, type Signature, type Tensors } from '@slipway/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ProtoWriter } from '../../grpc/writer.ts';
import { JsonParser } from '../../json/parse.ts';
import { readExamplesRequest } from './example-json.ts';
import { readInput } from './example-proto.ts';

const MOST = 1 << 20;
const signatureOf = (dtype: DType, shape: (number | string)[] | null = ['batch', 'n']): Signature => ({
  inputs: [{ name: 'x', dtype, shape }],
  outputs: [],
});

type Kind = 'bytes' | 'float' | 'int64';
type Row = Readonly<Record<string, readonly (number | bigint | string)[]>>;

const FIELD = { bytes: 1, float: 2, int64: 3 };

function listOf(kind: Kind, values: readonly (number | bigint | string)[], packed: boolean): ProtoWriter {
  const list = new ProtoWriter();
  if (kind === 'bytes') for (const value of values) list.string(1, String(value));
  else if (kind === 'float' && packed) list.bytes(1, new Uint8Array(Float32Array.from(values, Number).buffer));
  else if (kind === 'float') for (const value of values) list.float(1, Number(value));
  else if (packed) list.packed64(1, values.map(BigInt));
  else for (const value of values) list.int(1, Number(value));
  return list;
}

function example(row: Row, kind: Kind, packed = true): ProtoWriter {
  const features = new ProtoWriter();
  for (const [name, values] of Object.entries(row)) {
    const feature = new ProtoWriter().message(FIELD[kind], listOf(kind, values, packed));
    features.message(1, new ProtoWriter().string(1, name).message(2, feature));
  }
  return new ProtoWriter().message(1, features);
}

function input(rows: readonly Row[], kind: Kind, context?: Row, packed = true): Buffer {
  const list = new ProtoWriter();
  for (const row of rows) list.message(1, example(row, kind, packed));
  if (context !== undefined) list.message(2, example(context, kind, packed));
  return new ProtoWriter().message(context === undefined ? 1 : 2, list).finish(0);
}

const plainOf = (tensors: Tensors): unknown =>
  Object.entries(tensors).map(([name, { dtype, shape, data }]) => ({ name, dtype, shape, data: [...data] }));

const parser = new JsonParser({ nonFinite: true });
function fromJson(document: unknown, signature: Signature): Tensors {
  const bytes = Buffer.from(
    JSON.stringify(document, (_, value: unknown) => (typeof value === 'bigint' ? Number(value) : value)),
  );
  return readExamplesRequest(parser.parse(bytes), bytes, signature, MOST);
}

describe('an input of examples', () => {
  it.each([
    ['float32', 'float'],
    ['float64', 'float'],
    ['float16', 'float'],
    ['float32', 'int64'],
    ['int8', 'int64'],
    ['uint16', 'int64'],
    ['int64', 'int64'],
    ['uint64', 'int64'],
    ['bool', 'int64'],
    ['string', 'bytes'],
  ] as const)('is the same in JSON and protobuf: %s from %s', (dtype, kind) => {
    const value: fc.Arbitrary<string | number> =
      kind === 'bytes'
        ? fc.string({ unit: 'binary' })
        : kind === 'float'
          ? fc.integer({ min: -1000, max: 1000 }).map((whole) => whole / 8)
          : fc.integer({ min: dtype.startsWith('u') || dtype === 'bool' ? 0 : -100, max: dtype === 'bool' ? 1 : 100 });
    const rows = fc.integer({ min: 1, max: 5 }).chain((length) =>
      fc.array(fc.record({ x: fc.array(value, { minLength: length, maxLength: length }) }), {
        minLength: 1,
        maxLength: 4,
      }),
    );
    fc.assert(
      fc.property(rows, fc.boolean(), (examples, packed) => {
        const signature = signatureOf(dtype);
        const binary = plainOf(readInput(input(examples, kind, undefined, packed), signature, MOST));
        expect(binary).toEqual(plainOf(fromJson({ examples }, signature)));
      }),
      { numRuns: 40 },
    );
  });

  it('takes from the context what an example does not have', () => {
    const signature = signatureOf('float32', ['batch', 1, 2]);
    const inputs = readInput(input([{}, { x: [3, 4] }, { other: [1] }], 'float', { x: [1, 2] }), signature, MOST);
    expect(plainOf(inputs)).toEqual([{ name: 'x', dtype: 'float32', shape: [3, 1, 2], data: [1, 2, 3, 4, 1, 2] }]);
  });

  it('takes a name for a name', () => {
    const signature: Signature = { inputs: [{ name: '__proto__', dtype: 'float32', shape: ['n', 1] }], outputs: [] };
    const row = JSON.parse('{"__proto__": [1]}') as Row;
    expect(Object.keys(readInput(input([row], 'float'), signature, MOST))).toEqual(['__proto__']);
    expect(Object.keys(fromJson({ examples: [row] }, signature))).toEqual(['__proto__']);
    expect(() => fromJson({ examples: [{}] }, signature)).toThrow('feature "__proto__": is missing');
  });
});

describe('an input is refused', () => {
  it.each<[string, Buffer, Signature, string]>([
    ['without examples', input([], 'float'), signatureOf('float32'), 'Input is empty.'],
    ['without a feature', input([{ y: [1] }], 'float'), signatureOf('float32'), 'examples[0], feature "x": is missing'],
    [
      'with floats for integers',
      input([{ x: [1] }], 'float'),
      signatureOf('int32'),
      'has floats, the model takes int32',
    ],
    ['with text for numbers', input([{ x: ['a'] }], 'bytes'), signatureOf('int32'), 'has bytes, the model takes int32'],
    [
      'with numbers for text',
      input([{ x: [1] }], 'int64'),
      signatureOf('string'),
      'has numbers, the model takes string',
    ],
    ['below zero', input([{ x: [-1n] }], 'int64'), signatureOf('uint64'), '-1, which does not fit uint64'],
    ['out of range', input([{ x: [300] }], 'int64'), signatureOf('uint8'), '300, which does not fit uint8'],
    ['of uneven rows', input([{ x: [1] }, { x: [1, 2] }], 'float'), signatureOf('float32'), 'has 2 values where'],
    ['of the wrong size', input([{ x: [1, 2, 3] }], 'float'), signatureOf('float32', ['n', 2, 'm']), 'a multiple of 2'],
    ['of two free axes', input([{ x: [1] }], 'float'), signatureOf('float32', ['n', 'h', 'w']), 'how long each axis'],
    ['for a scalar', input([{ x: [1] }], 'float'), signatureOf('float32', []), 'is a scalar'],
  ])('%s', (_, bytes, signature, problem) => {
    expect(() => readInput(bytes, signature, MOST)).toThrow(problem);
  });

  it('that would be far larger than what was sent', () => {
    const context = { x: Array.from({ length: 1000 }, () => 1) };
    const many = Array.from({ length: 1000 }, () => ({}));
    const signature = signatureOf('float32');
    expect(() => readInput(input(many, 'float', context), signature, MOST)).toThrow(`larger than ${MOST}`);
    expect(() => fromJson({ context, examples: many }, signature)).toThrow(`larger than ${MOST}`);
  });
});
