import { fromBinary } from '@bufbuild/protobuf';
import { SlipwayError } from '@slipway/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mlpModel, oneWeightModel } from '../build/models.ts';
import { ModelProtoSchema } from '../generated/onnx_pb.ts';
import { editGraphs } from '../graph/map-graphs.ts';
import { createInitializer } from '../ir/initializer.ts';
import { anyModel } from '../testing/arbitrary.ts';
import { SHARED_MODELS, sharedModel, sharedModelsExist } from '../testing/shared-models.ts';
import { bytes, delimited, integer, varint } from '../testing/wire.ts';
import { decodeModel, encodeModel } from './decode.ts';

function codeOf(run: () => unknown): string {
  try {
    run();
    return 'ok';
  } catch (error) {
    if (error instanceof SlipwayError) return error.code;
    throw error;
  }
}

describe('round trip', () => {
  it('gives back the bytes of any model', () => {
    fc.assert(
      fc.property(anyModel(), (model) => {
        const once = encodeModel(model);
        const decoded = decodeModel(once);
        expect(Buffer.compare(encodeModel(decoded), once)).toBe(0);
        expect(Buffer.compare(encodeModel(editGraphs(decoded, () => undefined)), once)).toBe(0);
      }),
      { numRuns: 150 },
    );
  });

  it('keeps fields the schema does not know, at every level, also in parts that were edited', () => {
    const unknown = delimited(999, 'from the future');
    const node = bytes(delimited(1, 'x'), delimited(2, 'y'), delimited(4, 'Relu'), unknown);
    const value = (name: string): Uint8Array => bytes(delimited(1, name), unknown);
    const graph = bytes(
      delimited(1, node),
      delimited(2, 'g'),
      delimited(11, value('x')),
      delimited(12, value('y')),
      unknown,
    );
    const file = bytes(integer(1, 8), delimited(7, graph), delimited(8, integer(2, 17)), unknown);
    const model = decodeModel(file);
    expect(Buffer.compare(encodeModel(model), file)).toBe(0);
    const renamed = editGraphs(model, (editor) => {
      for (const each of editor.nodes) editor.update(each, { name: 'renamed' });
    });
    const text = Buffer.from(encodeModel(renamed)).toString('latin1');
    expect(text.split('from the future')).toHaveLength(6);
    expect(text).toContain('renamed');
  });

  it('keeps elements as views over the file', () => {
    const file = encodeModel(mlpModel({ layers: [8, 4] }));
    const model = decodeModel(file);
    const data = model.graph.initializers.get('w0')?.data;
    expect(data?.kind === 'raw' && data.bytes.buffer === file.buffer).toBe(true);
  });

  it('writes a changed initializer in the form it was given', () => {
    const model = decodeModel(encodeModel(oneWeightModel()));
    const changed = editGraphs(model, (editor) => {
      editor.setInitializer(createInitializer('w', 'int4', [3], Uint8Array.of(0x21, 0x03)));
    });
    const proto = fromBinary(ModelProtoSchema, encodeModel(changed));
    expect(proto.graph?.initializer[0]).toMatchObject({ name: 'w', dataType: 22, dims: [3n] });
  });

  describe.skipIf(!sharedModelsExist)('of real models (needs ../shared/data)', () => {
    it.each(SHARED_MODELS)('%s', (name) => {
      const file = sharedModel(name);
      const model = decodeModel(file);
      expect(Buffer.compare(encodeModel(model), file)).toBe(0);
      expect(Buffer.compare(encodeModel(editGraphs(model, () => undefined)), file)).toBe(0);
    });
  });
});

const valid = encodeModel(oneWeightModel());
const nested = (depth: number): Uint8Array => {
  // GraphProto.node (1) holds NodeProto.attribute (5) holds AttributeProto.g (6). Built inside out, in linear time.
  const parts: Uint8Array[] = [];
  let length = 0;
  const tags = [1, 5, 6];
  for (let level = 0; level < depth; level++) {
    const head = bytes(varint(((tags[(depth - 1 - level) % 3] ?? 1) << 3) | 2), varint(length));
    parts.push(head);
    length += head.length;
  }
  return bytes(integer(1, 8), delimited(7, Buffer.concat(parts.reverse())));
};

/** Every broken file, and what its message must say. */
const BROKEN: readonly [what: string, file: Uint8Array, message: RegExp][] = [
  ['empty', new Uint8Array(), /the file is empty/],
  ['PNG', bytes([0x89], 'PNG\r\n\x1a\n', new Uint8Array(100)), /PNG image/],
  ['text', bytes('hello, this is not a model\n'), /text file/],
  ['HTML', bytes('<!DOCTYPE html><html><body>404</body></html>'), /HTML page: the download/],
  ['JSON', bytes('{"a": 1}'), /JSON text/],
  ['Git LFS pointer', bytes('version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n'), /git lfs pull/],
  ['gzip', bytes([0x1f, 0x8b, 8, 0]), /gzip/],
  ['zip', bytes('PK', [3, 4], 'archive/data.pkl'), /zip archive/],
  ['pickle', bytes([0x80, 4, 0x95, 0, 0]), /Python pickle/],
  ['HDF5', bytes([0x89], 'HDF\r\n'), /HDF5/],
  ['TensorFlow Lite', bytes([0x1c, 0, 0, 0], 'TFL3', [0, 0]), /TensorFlow Lite/],
  ['a tensor', delimited(8, 'name of a tensor?'), /is cut off|without a graph|stored as|says it has/],
  ['no graph', bytes(integer(1, 8), delimited(8, integer(2, 17))), /without a graph/],
  ['truncated', valid.subarray(0, valid.length - 3), /at byte \d+: .*truncated/],
  [
    'a lying length',
    bytes(integer(1, 8), delimited(7, 'abc', 1_000_000)),
    /says it has 1000000 bytes where 3 are left/,
  ],
  ['a length of 2^63', bytes(integer(1, 8), delimited(7, '', 2n ** 63n)), /says it has/],
  ['an endless varint', bytes([0x08], new Uint8Array(20).fill(0xff)), /more than 10 bytes/],
  ['a group', bytes(integer(1, 8), [0x33]), /group start/],
  ['field number 0', bytes([0x02, 0x00]), /field number 0/],
  ['a graph stored as a number', bytes(integer(1, 8), integer(7, 1)), /ModelProto.graph is stored as varint/],
  [
    'a name that is not text',
    bytes(integer(1, 8), delimited(7, delimited(2, Uint8Array.of(0xff, 0xfe)))),
    /not valid UTF-8/,
  ],
  ['10^6 levels', nested(1_000_000), /nested \d+ deep/],
  ['200 levels', nested(200), /nested \d+ deep/],
  [
    'an unknown element type',
    bytes(integer(1, 8), delimited(7, delimited(5, bytes(integer(2, 77), delimited(8, 't'))))),
    /tensor "t".*element type 77/,
  ],
  [
    'two initializers of one name',
    bytes(
      integer(1, 8),
      delimited(
        7,
        bytes(
          delimited(5, bytes(integer(2, 1), delimited(8, 't'))),
          delimited(5, bytes(integer(2, 1), delimited(8, 't'))),
        ),
      ),
    ),
    /two initializers named "t"/,
  ],
];

describe('broken files', () => {
  it.each(BROKEN)('%s', (_, file, message) => {
    expect(() => decodeModel(file, { path: 'bad.onnx' })).toThrow(message);
    expect(() => decodeModel(file, { path: 'bad.onnx' })).toThrow(/^bad\.onnx: /);
    expect(['MODEL_FORMAT', 'MODEL_LIMIT', 'MODEL_INVALID']).toContain(codeOf(() => decodeModel(file)));
  });

  it('refuses a small file that would decode to gigabytes', () => {
    // 32 MB of packed one-byte integers, each of which becomes a bigint.
    const dims = delimited(1, new Uint8Array(40_000_000).fill(1));
    const file = bytes(integer(1, 8), delimited(7, delimited(5, dims)));
    expect(codeOf(() => decodeModel(file))).toBe('MODEL_LIMIT');
  });

  it('reports every truncation', () => {
    for (let length = 0; length < valid.length; length++) {
      const code = codeOf(() => decodeModel(valid.subarray(0, length)));
      // Cut between two fields of the outermost message, what is left is a complete message.
      expect(['ok', 'MODEL_FORMAT', 'MODEL_INVALID']).toContain(code);
    }
  });

  const targets: [string, Uint8Array][] = [['a small model', valid]];
  if (sharedModelsExist) targets.push(['mnist.onnx', sharedModel('mnist/mnist.onnx')]);
  it.each(targets)('either decodes or gives an error of ours when bits of %s flip', (_, file) => {
    const flips = fc.array(fc.tuple(fc.nat(file.length - 1), fc.nat(7)), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(flips, (list) => {
        const damaged = Uint8Array.from(file);
        for (const [at, bit] of list) damaged[at] = (damaged[at] ?? 0) ^ (1 << bit);
        const code = codeOf(() => encodeModel(decodeModel(damaged)));
        expect(['ok', 'MODEL_FORMAT', 'MODEL_LIMIT', 'MODEL_INVALID', 'EXTERNAL_DATA']).toContain(code);
      }),
      { numRuns: 1500 },
    );
  });

  it('survives arbitrary bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (file) => {
        expect(codeOf(() => decodeModel(file))).not.toBe('INTERNAL');
      }),
      { numRuns: 2000 },
    );
  });
});
