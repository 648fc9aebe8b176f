import path from 'node:path';
import { openStore, prune } from '@slipway/core';
import { buildModel, readModelFile, writeModelFile } from '@slipway/onnx';
import { hostFacts } from '@slipway/runtime';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { build } from '../pipeline/build.ts';
import { makeProject, type Project } from '../testing/projects.ts';
import { type Difference, diffModels } from './diff.ts';
import { compareLineage } from './lineage.ts';
import { withWeight } from '../validate/testing/corrupt.ts';
import { textWidth } from '../report/text.ts';
import { renderDifference } from './text.ts';

let project: Project;
beforeAll(async () => {
  project = await makeProject();
  for (const recipe of [[], [prune.magnitude({ rule: 'ratio', ratio: 0.5 })]]) {
    await build(project.config({ recipe, gates: {}, objective: 'size', allow: ['larger', 'slower'] }));
  }
});
afterAll(() => project.remove());

const diff = (before: string, after: string, run = false): Promise<Difference> =>
  diffModels(before, after, {
    cwd: project.directory,
    store: path.join(project.directory, '.slipway/store'),
    run,
    signal: new AbortController().signal,
  });
const text = (difference: Difference): string => renderDifference(difference, { width: 100, color: false });

describe('comparing releases', () => {
  it('says that two are the same', async () => {
    const difference = await diff('tiny:1', 'tiny:1', true);
    expect(difference.identical).toBe(true);
    expect(difference.trial!.parity).toMatchObject({ sqnrDb: null, maxAbsoluteError: 0 });
    expect(text(difference)).toContain('They are the same, byte for byte.');
  });

  it('says what a pass changed, and that it was the pass', async () => {
    const difference = await diff('tiny:1', 'tiny:2');
    expect(difference.model).toMatchObject({ values: ['w'], added: [], removed: [], changed: [], constants: [] });
    expect(difference.lineage).toEqual([
      { name: 'step 2', before: null, after: 'prune.magnitude { ratio: 0.5, rule: "ratio" }' },
    ]);
    expect(difference.after.measured!.candidate).toBe('recipe');
    expect(text(difference)).toContain('lineage     + step 2  prune.magnitude { ratio: 0.5, rule: "ratio" }');
  });

  it('says that the processor was another, where only that is different', async () => {
    const store = await openStore(path.join(project.directory, '.slipway/store'));
    const { lineage } = (await store.resolve('tiny:1')).manifest;
    const { cpuFlags } = hostFacts();
    expect(lineage.cpuFlags).toEqual(cpuFlags);
    expect(compareLineage(lineage, { ...lineage, cpuFlags: ['asimd', 'i8mm'] })).toEqual([
      { name: 'processor', before: cpuFlags.join(' '), after: 'asimd i8mm' },
    ]);
  });

  it('runs both on real rows, and says how far they are apart', async () => {
    const { trial } = await diff('model.onnx', 'tiny:2', true);
    expect(trial).toMatchObject({ goldenOf: 'tiny:2' });
    expect(trial!.parity.sqnrDb).toBeGreaterThan(3);
    expect(trial!.parity.sqnrDb).toBeLessThan(40);
    expect(trial!.p50Ms.before).toBeGreaterThan(0);
  });

  it('says at which node they part when the answers are far apart', async () => {
    const model = await readModelFile(path.join(project.directory, 'model.onnx'));
    for (const [file, change] of [
      ['turned.onnx', (w: number) => 0 - w],
      ['broken.onnx', () => NaN],
    ] as const) {
      await writeModelFile(path.join(project.directory, file), withWeight(model, 'w', change));
    }
    const difference = await diff('model.onnx', 'turned.onnx', true);
    expect(difference.trial).toMatchObject({ divergence: { tensor: 'scores', before: null } });
    expect(text(difference).replaceAll('\n', ' ')).toContain(
      'Where they part: the second first diverges at node "MatMul_0" (MatMul): nothing but inputs and constants before it, SQNR -6.0 dB after it.',
    );
    await expect(diff('model.onnx', 'broken.onnx', true)).rejects.toMatchObject({
      code: 'INFERENCE_FAILED',
      message: expect.stringMatching(/"scores" is NaN .*; it first diverges at node "MatMul_0"/) as string,
    });
  });

  it('makes up rows for files', async () => {
    const { trial, lineage } = await diff('model.onnx', 'model.onnx', true);
    expect(trial).toMatchObject({ rows: 32, goldenOf: null });
    expect(lineage).toBeNull();
  });

  it('does not run what takes something else', async () => {
    const other = buildModel((b) => {
      const x = b.input('x', 'float32', ['rows', 5]);
      b.output(b.op('Relu', [x], { outputs: ['scores'] }), 'float32', ['rows', 5]);
    });
    await writeModelFile(path.join(project.directory, 'other.onnx'), other);
    await expect(diff('model.onnx', 'other.onnx', true)).rejects.toMatchObject({ code: 'DATA_MISMATCH' });
    const { model } = await diff('model.onnx', 'other.onnx');
    expect(model.inputs).toEqual([{ name: 'x', before: 'float32[rows, 16]', after: 'float32[rows, 5]' }]);
  });

  it.each([
    ['missing.onnx', 'FILE_NOT_FOUND'],
    ['nobody', 'RELEASE_NOT_FOUND'],
    ['evaluation.npz', 'MODEL_FORMAT'],
  ])('refuses %s', async (reference, code) => {
    await expect(diff('tiny:1', reference)).rejects.toMatchObject({ code });
  });

  it('fits any width', async () => {
    const difference = await diff('tiny:1', 'other.onnx');
    for (const width of [40, 60, 120]) {
      for (const line of renderDifference(difference, { width, color: false }).split('\n')) {
        expect(textWidth(line)).toBeLessThanOrEqual(Math.max(width, 48));
      }
    }
  });
});
