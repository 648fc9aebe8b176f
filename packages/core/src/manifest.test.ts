import fc from 'fast-check';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { digestOf } from './digest.ts';
import { isModelName, isSafeRelativePath, type Manifest, MANIFEST_SCHEMA } from './manifest.ts';
import { manifestSchema } from './manifest-schema.ts';

const manifest: Manifest = {
  schema: MANIFEST_SCHEMA,
  name: 'digits',
  engine: 'onnxruntime',
  entry: 'model.onnx',
  files: [{ path: 'model.onnx', role: 'model', digest: digestOf('x'), size: 1 }],
  signature: { inputs: [{ name: 'x', dtype: 'float32', shape: ['batch', 2] }], outputs: [] },
  golden: { file: 'golden.npz', count: 8, tolerance: { absolute: 1e-5, relative: 0 } },
  labels: ['zero', 'one'],
  serving: { maxBatchSize: 8 },
  lineage: {
    source: { file: 'digits.onnx', digest: digestOf('y') },
    data: {},
    steps: [{ pass: 'optimize', version: 1, options: {}, result: digestOf('x') }],
    tools: { slipway: '0.1.0' },
  },
};
const accepts = (more: object): boolean => manifestSchema.safeParse({ ...manifest, ...more }).success;

const HOSTILE_PATHS = [
  '',
  '.',
  '..',
  '/etc/passwd',
  '../model.onnx',
  'a/../../b',
  'a/..',
  './a',
  'a//b',
  'a/',
  '/',
  'a\\..\\b',
  'C:\\x',
  'C:x',
  'a\0.onnx',
  'file:///etc/passwd',
];

describe('isSafeRelativePath', () => {
  it.each(HOSTILE_PATHS)('refuses %j', (hostile) => expect(isSafeRelativePath(hostile)).toBe(false));
  it.each(['model.onnx', 'a/b/c.bin', '...', '..a', 'a..b/c', 'ünï cödé.onnx', '-rf'])('takes %j', (good) =>
    expect(isSafeRelativePath(good)).toBe(true),
  );

  it('never lets a path leave its folder', () => {
    const piece = fc.constantFrom('..', '.', '/', '\\', 'a', '', ':', '\0', 'b.c', '%2e%2e', ' ');
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
        const candidate = pieces.join('');
        fc.pre(isSafeRelativePath(candidate));
        for (const platform of [path.posix, path.win32]) {
          const root = platform === path.posix ? '/models/x' : 'C:\\models\\x';
          expect(platform.resolve(root, candidate).startsWith(root + platform.sep)).toBe(true);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe('isModelName', () => {
  it.each(['a', 'digits', 'resnet-50', 'a.b_c__d--e', '0', 'a'.repeat(128)])('takes %j', (name) =>
    expect(isModelName(name)).toBe(true),
  );
  it.each(['', 'A', '-a', 'a-', 'a..b', 'a/b', '..', 'a b', 'a\n', 'ä', 'a___b', 'a'.repeat(129)])(
    'refuses %j',
    (name) => expect(isModelName(name)).toBe(false),
  );

  it('decides in bounded time', () => expect(isModelName(`${'a-'.repeat(1e6)}!`)).toBe(false));
});

describe('manifestSchema', () => {
  it('reads its own JSON', () => expect(manifestSchema.parse(JSON.parse(JSON.stringify(manifest)))).toEqual(manifest));

  it.each(HOSTILE_PATHS)('refuses the path %j wherever a path is', (hostile) => {
    expect(accepts({ entry: hostile })).toBe(false);
    expect(accepts({ files: [{ ...manifest.files[0], path: hostile }] })).toBe(false);
    expect(accepts({ golden: { ...manifest.golden, file: hostile } })).toBe(false);
  });

  it.each<[string, object]>([
    ['another schema', { schema: 'slipway.model/v2' }],
    ['an unknown key', { extra: 1 }],
    ['a name with a slash', { name: 'a/b' }],
    ['an unknown engine', { engine: 'sh' }],
    ['a very long path', { entry: 'a'.repeat(1025) }],
    ['a short digest', { files: [{ ...manifest.files[0], digest: 'sha256:00' }] }],
    ['a negative size', { files: [{ ...manifest.files[0], size: -1 }] }],
    ['a fractional size', { files: [{ ...manifest.files[0], size: 0.5 }] }],
    ['an unknown role', { files: [{ ...manifest.files[0], role: 'script' }] }],
    ['a negative tolerance', { golden: { ...manifest.golden, tolerance: { absolute: -1, relative: 0 } } }],
    ['no golden samples', { golden: { ...manifest.golden, count: 0 } }],
    ['a batch of zero', { serving: { maxBatchSize: 0 } }],
    ['a missing lineage', { lineage: undefined }],
  ])('refuses %s', (_, more) => expect(accepts(more)).toBe(false));
});
