import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { SlipwayError } from '@slipway/core';
import {
  type Builder,
  buildModel,
  createInitializer,
  encodeModel,
  readModelFile,
  tensorInfo,
  withModel,
  writeModelFile,
} from '@slipway/onnx';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { build } from '../pipeline/build.ts';
import { makeProject, type Project } from '../testing/projects.ts';

let project: Project;
beforeEach(async () => {
  project = await makeProject();
});
afterEach(() => {
  project.remove();
  rmSync(outside(), { force: true });
});

const outside = (): string => path.join(project.directory, '..', 'slipway-outside.bin');

const source = (): string => path.join(project.directory, 'model.onnx');
const attempt = (): Promise<unknown> => build(project.config({ data: {} })).catch((error: unknown) => error);

describe('import', () => {
  it('takes constants out of the inputs, as old exporters list them, and says so', async () => {
    const model = await readModelFile(source());
    const inputs = [...model.graph.inputs, tensorInfo('w', 'float32', [16, 3])];
    await writeModelFile(source(), withModel(model, { irVersion: 3, graph: { ...model.graph, inputs } }));
    const { report, release } = await build(project.config());
    expect(report.signature.inputs.map((input) => input.name)).toEqual(['x']);
    expect(report.candidates[0]!.notes).toEqual(['Import: 1 constant was listed as input; now constant.']);
    expect(report.candidates[0]!.metrics[0]!.value!.value).toBe(0.9);
    expect(release!.manifest.lineage.source.file).toBe('model.onnx');
  });

  it('knows a scalar from a tensor of unknown rank, which the engine does not', async () => {
    const gated = buildModel((b) => {
      const x = b.input('x', 'float32', ['n', 2]);
      // As If does, this takes exactly one element.
      const on = b.op('Reshape', [b.input('on', 'float32', []), b.integers('one', [1], [1])]);
      b.output(b.op('Mul', [x, on], { outputs: ['y'] }), 'float32', ['n', 2]);
    });
    await writeModelFile(source(), gated);
    const { release } = await build(project.config({ data: {} }));
    expect(release!.manifest.signature.inputs.map(({ shape }) => shape)).toEqual([['n', 2], []]);
  });

  it('reads external data beside the model, which is part of the digest of the source', async () => {
    const wide = buildModel((b) => {
      const x = b.input('x', 'float32', ['rows', 16]);
      const w = b.floats(
        'w',
        [16, 64],
        Float32Array.from({ length: 1024 }, (_, i) => Math.sin(i)),
      );
      b.output(b.op('MatMul', [x, w], { outputs: ['scores'] }), 'float32', ['rows', 64]);
    });
    await writeModelFile(source(), wide, { weights: 'external' });
    const first = (await build(project.config({ data: {} }))).release!.manifest;
    expect(first.files.map((file) => file.path)).toEqual(['golden.npz', 'model.onnx', 'model.onnx.data']);
    const data = readFileSync(`${source()}.data`);
    data[100]! ^= 1;
    writeFileSync(`${source()}.data`, data);
    const second = (await build(project.config({ data: {} }))).release!.manifest;
    expect(second.lineage.source.digest).not.toBe(first.lineage.source.digest);
    expect(second.files.map((file) => file.digest)).not.toEqual(first.files.map((file) => file.digest));
  });

  it.each([
    ['above the folder', '../slipway-outside.bin'],
    ['at an absolute path', '/etc/hostname'],
    ['behind a link', 'link.bin'],
    ['nowhere', 'missing.bin'],
    ['too short', 'short.bin'],
  ])('refuses external data %s', async (_, location) => {
    writeFileSync(outside(), Buffer.alloc(192));
    writeFileSync(path.join(project.directory, 'short.bin'), Buffer.alloc(10));
    symlinkSync('/etc/hostname', path.join(project.directory, 'link.bin'));
    const data = { kind: 'external', location, offset: 0, length: 192, checksum: null, directory: null } as const;
    const model = buildModel((b) => {
      const x = b.input('x', 'float32', ['rows', 16]);
      b.initializer(createInitializer('w', 'float32', [16, 3], data));
      b.output(b.op('MatMul', [x, 'w'], { outputs: ['scores'] }), 'float32', ['rows', 3]);
    });
    writeFileSync(source(), encodeModel(model));
    expect(await attempt()).toMatchObject({ code: 'EXTERNAL_DATA' });
  });

  it('refuses a directory and a file that is cut short anywhere, with an error of ours', async () => {
    const whole = readFileSync(source());
    for (let length = 1; length < whole.length; length += 60) {
      writeFileSync(source(), whole.subarray(0, length));
      expect(await attempt(), `${length} bytes`).toBeInstanceOf(SlipwayError);
    }
    mkdirSync(path.join(project.directory, 'folder.onnx'));
    const error: unknown = await build(project.config({ source: 'folder.onnx' })).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ name: 'SlipwayError' });
    writeFileSync(source(), whole);
    expect(await attempt()).toMatchObject({ failure: null });
  });

  it.each([
    ['of no operator set', new Map<string, number>(), 'imports no operator set'],
    ['of an operator set that does not exist yet', new Map([['', 99]]), '99'],
    [
      'of operators of a set it does not import',
      new Map([['com.acme', 1]]),
      'uses domain "ai.onnx", which the model does not import',
    ],
  ])('refuses a model %s', async (_, opsets, problem) => {
    writeFileSync(source(), encodeModel(withModel(await readModelFile(source()), { opsets })));
    const error = await attempt();
    expect(error).toMatchObject({ code: expect.stringMatching(/^(MODEL_INVALID|UNSUPPORTED_OPSET)$/) as string });
    expect(String(error)).toContain(problem);
  });

  it.each<[string, (b: Builder, x: string) => void, string]>([
    [
      'with a cycle',
      (b, x) => {
        b.op('Add', [x, 'second'], { outputs: ['first'] });
        b.op('Relu', ['first'], { outputs: ['second'] });
      },
      'cycle',
    ],
    [
      'that computes a value twice',
      (b, x) => {
        b.op('Relu', [x], { outputs: ['twice'] });
        b.op('Neg', [x], { outputs: ['twice'] });
      },
      '"twice"',
    ],
    ['that reads what nothing computes', (b, x) => void b.op('Add', [x, 'absent']), '"absent"'],
  ])('refuses a graph %s', async (_, wrong, problem) => {
    const model = buildModel((b) => {
      const x = b.input('x', 'float32', ['rows', 16]);
      wrong(b, x);
      b.output(b.op('Identity', [x], { outputs: ['scores'] }), 'float32', ['rows', 16]);
    });
    writeFileSync(source(), encodeModel(model));
    const error = await attempt();
    expect(error).toMatchObject({ code: 'MODEL_INVALID' });
    expect(String(error)).toContain(problem);
  });

  it('names the operator the engine does not know', async () => {
    const model = buildModel((b) => {
      const x = b.input('x', 'float32', ['rows', 16]);
      b.output(b.op('Frobnicate', [x], { outputs: ['scores'] }), 'float32', ['rows', 3]);
    });
    await writeModelFile(source(), model);
    const error = await attempt();
    expect(error).toBeInstanceOf(SlipwayError);
    expect(String(error)).toContain('Frobnicate');
  });
});
