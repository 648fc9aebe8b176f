/** What a large file is to those who read, change and write it, tested on small ones by holding nothing. */
import {
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toBinary } from '@bufbuild/protobuf';
import { digestOf, LIMITS } from '@slipway/core';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { buildModel } from '../build/builder.ts';
import { mlpModel } from '../build/models.ts';
import { modelToProto } from '../convert/model.ts';
import { spillTo } from '../external/spill.ts';
import { StoredBytes } from '../external/stored.ts';
import { ModelProtoSchema } from '../generated/onnx_pb.ts';
import { tensorAttribute } from '../ir/attribute.ts';
import { floatsOf, rawBytes } from '../ir/elements.ts';
import { createInitializer, type Initializer, initializerOf, type RawData } from '../ir/initializer.ts';
import { type Model, withModel } from '../ir/model.ts';
import { anyModel } from '../testing/arbitrary.ts';
import { encodeModel } from './decode.ts';
import { encode } from './encode.ts';
import { readModelFile, writeModelFile } from './file.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'slipway-file-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

const HOLD_NOTHING = { holdBytes: 0 };

const stored = (model: Model): Initializer[] =>
  [...model.graph.initializers.values()].filter(({ data }) => data instanceof StoredBytes);

const messageOf = async (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'no error',
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );

describe('encoding in pieces', () => {
  it('gives the bytes that protobuf writes', () => {
    fc.assert(
      fc.property(anyModel(), (model) => {
        expect(Buffer.compare(encodeModel(model), toBinary(ModelProtoSchema, modelToProto(model)))).toBe(0);
      }),
    );
  });
  it('knows the size before it begins, and refuses what no file can hold', () => {
    const model = mlpModel({ layers: [3, 2] });
    expect(encode(model).size).toBe(encodeModel(model).length);
    const huge: RawData = { kind: 'raw', bytes: new Uint8Array(0), size: LIMITS.maxProtobufBytes };
    const graph = { ...model.graph, initializers: new Map([['w', createInitializer('w', 'uint8', [1], huge)]]) };
    expect(() => encode(withModel(model, { graph }))).toThrow(/external data/);
  });
});

describe('reading without holding', () => {
  it('leaves weights in the file and gives the same model', async () => {
    const file = join(directory, 'm.onnx');
    await fc.assert(
      fc.asyncProperty(anyModel(), async (model) => {
        writeFileSync(file, encodeModel(model));
        const [held, left] = [await readModelFile(file), await readModelFile(file, HOLD_NOTHING)];
        expect(Buffer.compare(encodeModel(left), encodeModel(held))).toBe(0);
        await writeModelFile(join(directory, 'copy.onnx'), left);
        expect(readFileSync(join(directory, 'copy.onnx')).equals(readFileSync(file))).toBe(true);
      }),
      { numRuns: 50 },
    );
  });

  it('finds weights in initializers and Constant nodes, each time anew', async () => {
    const file = join(directory, 'm.onnx');
    const value = initializerOf('', { dtype: 'float32', shape: [3], data: Float32Array.of(4, 5, 6) });
    const model = buildModel((b) => {
      const constant = b.op('Constant', [], { attributes: [tensorAttribute('value', value)] });
      b.op('Add', [constant, b.floats('w', [3], [1, 2, 3])], { outputs: ['y'] });
      b.output('y', 'float32', [3]);
    });
    await writeModelFile(file, model);
    const left = await readModelFile(file, HOLD_NOTHING);
    const [weight] = stored(left);
    expect([...floatsOf(weight!)]).toEqual([1, 2, 3]);
    expect(rawBytes(weight!)).not.toBe(rawBytes(weight!));
    const [constant] = left.graph.nodes;
    const attribute = constant?.attributes.get('value');
    expect(attribute?.kind === 'tensor' && attribute.value.data instanceof StoredBytes).toBe(true);
    expect(attribute?.kind === 'tensor' && [...floatsOf(attribute.value)]).toEqual([4, 5, 6]);
  });

  it('says of a damaged file what it says when it holds it', async () => {
    const file = join(directory, 'm.onnx');
    const bytes = encodeModel(mlpModel({ layers: [5, 4, 3] }));
    await fc.assert(
      fc.asyncProperty(
        fc.nat(bytes.length - 1),
        fc.integer({ min: 0, max: 255 }),
        fc.nat(bytes.length),
        async (at, byte, cut) => {
          const damaged = Uint8Array.from(bytes);
          damaged[at] = byte;
          writeFileSync(file, damaged.subarray(0, at % 2 === 0 ? cut : bytes.length));
          expect(await messageOf(readModelFile(file, HOLD_NOTHING))).toBe(await messageOf(readModelFile(file)));
        },
      ),
      { numRuns: 300 },
    );
  });

  it('refuses to read weights from a file that has become another', async () => {
    const file = join(directory, 'm.onnx');
    await writeModelFile(file, mlpModel({ layers: [3, 2] }));
    const left = await readModelFile(file, HOLD_NOTHING);
    const bytes = readFileSync(file);
    utimesSync(file, 1, 1);
    expect(() => encodeModel(left)).toThrow(/changed or replaced while its weights were in use/);
    rmSync(file);
    expect(() => encodeModel(left)).toThrow(/no such file/);
    // Writing a model over its own file reads it before it goes.
    writeFileSync(file, bytes);
    await writeModelFile(file, await readModelFile(file, HOLD_NOTHING));
    expect(readFileSync(file).equals(bytes)).toBe(true);
  });

  it('reads a file of 1.5 GB in the memory of its structure', async () => {
    const file = join(directory, 'm.onnx');
    const size = 1.5 * 2 ** 30;
    // A sparse file: zeros that are not there.
    const absent: RawData = { kind: 'raw', bytes: new Uint8Array(0), size };
    const model = buildModel((b) => {
      b.initializer(createInitializer('w', 'int8', [size], absent));
      b.op('Identity', ['w'], { outputs: ['y'] });
      b.output('y', 'int8', [size]);
    });
    const descriptor = openSync(file, 'w');
    let at = 0;
    for (const piece of encode(model).pieces()) {
      if (piece === absent.bytes) at += size;
      else at += writeSync(descriptor, piece, 0, piece.length, at);
    }
    truncateSync(file, at);
    const before = process.memoryUsage().rss;
    const read = await readModelFile(file);
    expect(read.graph.initializers.get('w')?.dims).toEqual([size]);
    expect(statSync(file).size).toBe(encode(read).size);
    expect(process.memoryUsage().rss - before).toBeLessThan(50 * 2 ** 20);
  });
});

describe('writing', () => {
  it('hashes what it writes', async () => {
    const file = join(directory, 'm.onnx');
    for (const weights of ['inline', 'external'] as const) {
      const { files, digests } = await writeModelFile(file, mlpModel({ layers: [40, 30, 3] }), {
        weights,
        minimumBytes: 0,
      });
      expect(files).toHaveLength(weights === 'inline' ? 1 : 2);
      expect(digests).toEqual(files.map((name) => digestOf(readFileSync(join(directory, name)))));
    }
  });

  it('writes what a pass has put aside', async () => {
    const keep = spillTo(directory, 16);
    const model = mlpModel({ layers: [30, 20, 3] });
    const kept = new Map([...model.graph.initializers].map(([name, weight]) => [name, keep(weight)]));
    const aside = withModel(model, { graph: { ...model.graph, initializers: kept } });
    expect(stored(aside).map(({ name }) => name)).toEqual(['w0', 'b0', 'w1']);
    expect(stored(aside).map(keep)).toEqual(stored(aside));
    expect(Buffer.compare(encodeModel(aside), encodeModel(model))).toBe(0);
    await writeModelFile(join(directory, 'a.onnx'), aside, { weights: 'external', minimumBytes: 0 });
    await writeModelFile(join(directory, 'b.onnx'), model, { weights: 'external', minimumBytes: 0 });
    expect(readFileSync(join(directory, 'a.onnx.data')).equals(readFileSync(join(directory, 'b.onnx.data')))).toBe(
      true,
    );
  });
});
