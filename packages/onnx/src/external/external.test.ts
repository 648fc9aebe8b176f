import {
  copyFileSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { LIMITS, SlipwayError } from '@slipway/core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { buildModel } from '../build/builder.ts';
import { mlpModel } from '../build/models.ts';
import { decodeModel, encodeModel } from '../codec/decode.ts';
import { readModelFile, writeModelFile } from '../codec/file.ts';
import { StringStringEntryProtoSchema, TensorProtoSchema } from '../generated/onnx_pb.ts';
import { createInitializer, type ExternalData, type Initializer } from '../ir/initializer.ts';
import { isExternal } from '../ir/initializer.ts';
import type { Model } from '../ir/model.ts';
import { inlineExternalData } from './inline.ts';
import { readTensorBytes } from './load.ts';
import { parseExternalData } from './reference.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'slipway-external-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

const external = (change: Partial<ExternalData> = {}): Initializer =>
  createInitializer('w', 'float32', [4], {
    kind: 'external',
    location: 'w.bin',
    offset: 0,
    length: 16,
    checksum: null,
    directory,
    ...change,
  });

const problemOf = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    if (error instanceof SlipwayError && error.code === 'EXTERNAL_DATA') return error.message;
    throw error;
  }
  throw new Error('nothing was thrown');
};

describe('reading', () => {
  it('reads exactly the range, and the whole file when no length is given', () => {
    writeFileSync(
      join(directory, 'w.bin'),
      Uint8Array.from({ length: 40 }, (_, index) => index),
    );
    expect([...readTensorBytes(external({ offset: 8 }))]).toEqual(Array.from({ length: 16 }, (_, index) => index + 8));
    expect(readTensorBytes(external({ length: null }))).toHaveLength(16);
    mkdirSync(join(directory, 'sub'));
    copyFileSync(join(directory, 'w.bin'), join(directory, 'sub', 'w.bin'));
    expect(readTensorBytes(external({ location: './sub/w.bin' }))).toHaveLength(16);
  });

  it.each([
    ['..', '../w.bin', /not a relative path inside/],
    ['.. inside', 'sub/../../w.bin', /not a relative path inside/],
    ['absolute', '/etc/passwd', /not a relative path inside/],
    ['drive', 'C:\\w.bin', /not a relative path inside/],
    ['NUL', 'w.bin\0.txt', /not a relative path inside/],
    ['empty', '.', /not a relative path inside/],
    ['missing', 'none.bin', /does not exist/],
    ['a folder', 'sub', /not a regular file/],
    ['through a file', 'w.bin/x', /not a folder/],
    ['a symbolic link', 'link.bin', /"link.bin" is a symbolic link/],
    ['through a linked folder', 'linked/w.bin', /"linked" is a symbolic link/],
    ['a hard link', 'hard.bin', /2 names/],
  ])('refuses a location that is %s', (_, location, message) => {
    writeFileSync(join(directory, 'w.bin'), new Uint8Array(16));
    mkdirSync(join(directory, 'sub'));
    writeFileSync(join(directory, 'sub', 'w.bin'), new Uint8Array(16));
    symlinkSync('w.bin', join(directory, 'link.bin'));
    symlinkSync('sub', join(directory, 'linked'));
    writeFileSync(join(directory, 'other.bin'), new Uint8Array(16));
    linkSync(join(directory, 'other.bin'), join(directory, 'hard.bin'));
    expect(problemOf(() => readTensorBytes(external({ location })))).toMatch(message);
    if (location === 'hard.bin') {
      expect(readTensorBytes(external({ location }), null, { allowHardLinks: true })).toHaveLength(16);
    }
  });

  it('refuses a range past the end, a length that does not fit, and reading without a folder', () => {
    writeFileSync(join(directory, 'w.bin'), new Uint8Array(20));
    expect(problemOf(() => readTensorBytes(external({ offset: 8 })))).toMatch(
      /needs bytes 8 to 24 of "w.bin", which has 20/,
    );
    expect(problemOf(() => readTensorBytes(external({ offset: 2 ** 50 })))).toMatch(/which has 20/);
    expect(problemOf(() => readTensorBytes(external({ length: 12 })))).toMatch(/length 12, float32\[4\] needs 16/);
    expect(problemOf(() => readTensorBytes(external({ directory: null })))).toMatch(/not read from a folder/);
  });

  it.each([
    [{ offset: '0' }, /does not name a file/],
    [{ location: 'a', offset: '-1' }, /offset "-1", which is not a number/],
    [{ location: 'a', offset: '0x10' }, /not a number/],
    [{ location: 'a', length: '1e3' }, /not a number/],
    [{ location: 'a', length: '9'.repeat(16) }, /not a number/],
    [{ location: 'a', length: '9'.repeat(400) }, /not a number/],
    [{ location: 'a', __proto: 'x' }, /the key "__proto"/],
    [{ location: 'a', basepath: '/' }, /the key "basepath"/],
  ])('refuses the entries %j', (entries, message) => {
    const externalData = Object.entries(entries).map(([key, value]) =>
      create(StringStringEntryProtoSchema, { key, value }),
    );
    const tensor = create(TensorProtoSchema, { name: 'w', dataLocation: 1, externalData });
    expect(problemOf(() => parseExternalData(tensor, null))).toMatch(message);
    const twice = create(TensorProtoSchema, {
      name: 'w',
      dataLocation: 1,
      externalData: [...externalData, ...externalData],
    });
    expect(problemOf(() => parseExternalData(twice, null))).toMatch(/.+/);
  });
});

describe('writing', () => {
  const weights = (model: Model): (number[] | undefined)[] =>
    [...model.graph.initializers.values()].map((tensor) => [...readTensorBytes(tensor)]);

  it('moves weights out and back without changing them, aligned and deterministic', async () => {
    const model = mlpModel({ layers: [40, 30, 3] });
    const path = join(directory, 'model.onnx');
    expect(await writeModelFile(path, model, { weights: 'external' })).toMatchObject({
      files: ['model.onnx', 'model.onnx.data'],
    });
    const first = readFileSync(`${path}.data`);
    const moved = await readModelFile(path);
    const outside = [...moved.graph.initializers.values()].filter(isExternal);
    expect(outside.map(({ name, data }) => [name, data.offset])).toEqual([['w0', 0]]); // the others have < 1024 bytes
    expect(weights(moved)).toEqual(weights(model));

    // In place, from itself, with everything moved: the source is read before it is replaced.
    await writeModelFile(path, moved, { minimumBytes: 0 });
    const again = await readModelFile(path);
    expect(
      [...again.graph.initializers.values()].every((tensor) => isExternal(tensor) && tensor.data.offset % 4096 === 0),
    ).toBe(true);
    expect(weights(again)).toEqual(weights(model));

    await writeModelFile(path, again, { weights: 'inline' });
    expect(Buffer.compare(readFileSync(path), encodeModel(inlineExternalData(moved)))).toBe(0);
    await writeModelFile(path, decodeModel(readFileSync(path)), { weights: 'external' });
    expect(readFileSync(`${path}.data`).equals(first)).toBe(true);
  });

  it('keeps one range for tensors that share one', async () => {
    writeFileSync(join(directory, 'w.bin'), new Uint8Array(16));
    const model = buildModel((b) => {
      b.initializer(external());
      b.initializer({ ...external(), name: 'v' });
      b.op('Add', ['w', 'v'], { outputs: ['y'] });
      b.output('y', 'float32', [4]);
    });
    await writeModelFile(join(directory, 'm.onnx'), model);
    expect(statSync(join(directory, 'm.onnx.data')).size).toBe(16);
  });

  it('leaves nothing behind when it fails', async () => {
    const model = buildModel((b) => {
      b.initializer(external({ location: 'none.bin' }));
      b.op('Neg', ['w'], { outputs: ['y'] });
      b.output('y', 'float32', [4]);
    });
    await expect(writeModelFile(join(directory, 'm.onnx'), model)).rejects.toThrow(/does not exist/);
    expect(readdirSync(directory)).toEqual([]);
    await expect(writeModelFile(join(directory, 'no/such/m.onnx'), mlpModel({ layers: [1, 1] }))).rejects.toMatchObject(
      {
        code: 'FILE_NOT_FOUND',
      },
    );
  });

  it('handles weights of 3 GB without holding them', async () => {
    // A sparse file: only its last bytes exist.
    const bytes = 3 * 2 ** 30;
    const path = join(directory, 'huge.bin');
    writeFileSync(path, '');
    truncateSync(path, bytes + 16);
    const handle = await open(path, 'r+');
    await handle.write(Uint8Array.from([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]), 0, 16, bytes);
    await handle.close();
    const model = buildModel((b) => {
      b.initializer(
        createInitializer('huge', 'float32', [bytes / 4], {
          ...(external().data as ExternalData),
          location: 'huge.bin',
          length: bytes,
        }),
      );
      b.initializer(external({ location: 'huge.bin', offset: bytes }));
      b.op('Add', ['huge', 'w'], { outputs: ['y'] });
      b.output('y', 'float32', null);
    });
    writeFileSync(join(directory, 'model.onnx'), encodeModel(model));
    const before = process.memoryUsage().rss;
    const read = await readModelFile(join(directory, 'model.onnx'));
    expect([...readTensorBytes(read.graph.initializers.get('w')!)]).toEqual([
      1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
    ]);
    await expect(writeModelFile(join(directory, 'inline.onnx'), read, { weights: 'inline' })).rejects.toMatchObject({
      code: 'MODEL_LIMIT',
    });
    expect(process.memoryUsage().rss - before).toBeLessThan(100 * 2 ** 20);
  });

  it('refuses a model file beyond 2 GB by its size', async () => {
    const path = join(directory, 'big.onnx');
    writeFileSync(path, '');
    truncateSync(path, LIMITS.maxProtobufBytes + 1);
    await expect(readModelFile(path)).rejects.toMatchObject({ code: 'MODEL_LIMIT' });
    await expect(readModelFile(join(directory, 'none.onnx'))).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
    await expect(readModelFile(directory)).rejects.toMatchObject({ code: 'FILE_UNREADABLE' });
  });
});
