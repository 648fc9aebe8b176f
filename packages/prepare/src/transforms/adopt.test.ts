/** Transforms through a whole build: what the release says, carries and takes. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { tensor, transform, writeManifest, writeNpz } from '@slipway/core';
import { buildModel, writeModelFile } from '@slipway/onnx';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { build } from '../pipeline/build.ts';
import { makeProject, type Project } from '../testing/projects.ts';

let project: Project;
beforeEach(async () => {
  project = await makeProject();
});
afterEach(() => project.remove());

const outputs = [transform.softmax({ from: 'scores' }), transform.classify({ from: 'scores' })];
const labels = ['low', 'middle', 'high'];

describe('a build with transforms', () => {
  it('declares them in the manifest', async () => {
    const { release } = await build(project.config({ transforms: { outputs }, labels }));
    expect(release!.manifest.transforms).toEqual({ outputs });
    expect(release!.manifest.signature.outputs.map(({ name }) => name)).toEqual(['scores']);
  });

  it('computes them in the model when asked to, for the source as well, and says so', async () => {
    const inputs = [transform.normalize({ from: 'x', scale: 2, mean: 0.5 })];
    const config = project.config({ transforms: { inputs, outputs, fuse: true }, labels });
    const { report, release } = await build(config);
    const { manifest } = release!;
    expect(manifest.transforms).toBeUndefined();
    expect(manifest.signature.outputs.map(({ name, dtype }) => `${name} ${dtype}`)).toEqual([
      'label string',
      'score float32',
    ]);
    expect(manifest.lineage.steps.map((step) => step.pass)).toEqual(['import', 'transforms.fuse']);
    expect(report.candidates[0]!.notes[0]).toBe(
      'Computed inside the model: normalize of "x", softmax of "scores", classify of "scores".',
    );
  });

  it('carries the files they need, under names of its own', async () => {
    const model = buildModel((b) => {
      const ids = b.input('ids', 'int64', ['n', 's']);
      const table = b.floats(
        'table',
        [10, 3],
        Array.from({ length: 30 }, (_, i) => i / 30),
      );
      const taken = b.op('Gather', [table, ids]);
      b.output(b.op('ReduceMax', [taken], { outputs: ['scores'] }), 'float32', ['n', 's', 3]);
    });
    await writeModelFile(path.join(project.directory, 'model.onnx'), model);
    writeFileSync(path.join(project.directory, 'my words.json'), '{"model":{}}');
    const rows = tensor(
      'int64',
      [8, 2],
      BigInt64Array.from({ length: 16 }, (_, i) => BigInt(i % 10)),
    );
    writeFileSync(path.join(project.directory, 'ids.npz'), writeNpz([['ids', rows]]));
    const inputs = [transform.tokenize({ from: 'text', tokenizer: 'my words.json', ids: 'ids' })];
    const config = project.config({ transforms: { inputs }, data: { evaluation: 'ids.npz' } });
    const { release } = await build(config);
    const { manifest } = release!;
    expect(manifest.transforms!.inputs).toEqual([{ ...inputs[0], tokenizer: 'tokenizer.json' }]);
    expect(manifest.files.find((file) => file.path === 'tokenizer.json')!.role).toBe('transform');
    expect(JSON.stringify(manifest)).not.toContain(project.directory);
  });

  it.each([
    [
      'a step that does not fit',
      { outputs: [transform.softmax({ from: 'score' })] },
      'CONFIG_INVALID',
      'transforms.outputs[0] reads "score", which is not there; there are "scores", did you mean "scores"?',
    ],
    ['labels that do not fit', { outputs }, 'CONFIG_INVALID', 'the config names 3 labels'],
  ])('refuses %s', async (what, transforms, code, text) => {
    const config = project.config({ transforms, ...(what.startsWith('labels') ? { labels: ['a', 'b'] } : {}) });
    const error: unknown = await build(config).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code });
    expect(String(error)).toContain(text.replace('3 labels', '2 labels'));
  });

  it('refuses a manifest whose tokenizer is not among the files', async () => {
    const { release } = await build(project.config({ transforms: { outputs }, labels }));
    const inputs = [transform.tokenize({ from: 'text', tokenizer: '../../etc/passwd', ids: 'x' })];
    const error: unknown = await writeManifest(project.directory, {
      ...release!.manifest,
      transforms: { inputs },
    }).catch((thrown: unknown) => thrown);
    expect(String(error)).toContain('"../../etc/passwd" is not among the files with the role "transform"');
  });
});
