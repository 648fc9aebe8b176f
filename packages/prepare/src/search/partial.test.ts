/** Partial quantization recovers what full quantization breaks: through the whole build, with a model made to break. */
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { partial, quantize, search } from '@slipway/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { build } from '../pipeline/build.ts';
import { makeOutlierProject } from '../testing/outlier.ts';
import type { Project } from '../testing/projects.ts';

let project: Project;
beforeAll(async () => {
  project = await makeOutlierProject();
});
afterAll(() => project.remove());

describe('partial quantization', () => {
  it('leaves out the one layer that breaks the model, and says how it found it', async () => {
    const recipe = search({ full: [quantize.static()], part: [partial(quantize.static())] });
    const { report, failure } = await build(project.config({ recipe, allow: ['larger'] }));
    expect(failure).toBeNull();
    const [source, full, part] = report.candidates;
    expect(source!.metrics[0]!.value!.value).toBeGreaterThan(0.99);
    expect(full!.verdict).toBe('failed');
    expect(full!.metrics[0]!.value!.value).toBeLessThan(0.7);
    expect(part!.metrics[0]!.value!.value).toBeGreaterThan(0.95);
    expect(part!.passes).toEqual([{ pass: 'quantize.static', exclude: ['second'] }]);
    const { layers, steps, pass } = part!.sensitivity!;
    expect(pass).toBe('quantize.static');
    expect(layers[0]).toMatchObject({ name: 'second', operator: 'MatMul', leftOut: true });
    expect(layers[0]!.nmseAlone).toBeGreaterThan(10 * layers[1]!.nmseAlone);
    expect(layers[0]!.nmseWithout).toBeLessThan(layers[1]!.nmseWithout);
    expect(layers[0]!.metricDrop).toBeGreaterThan(0.2);
    expect(layers.slice(1).every(({ leftOut }) => !leftOut)).toBe(true);
    expect(steps.map(({ leftOut, holds }) => [leftOut, holds])).toEqual([
      [0, false],
      [1, true],
    ]);
    expect(full!.sensitivity).toBeNull();
    // Every probe and every recipe asked for ranges of the same tensors: what the three products read.
    const observed = readdirSync(path.join(project.directory, '.slipway/cache/observed'));
    expect(observed.length).toBe(3);
  });

  it('is nothing more than the pass where the whole of it holds the gates', async () => {
    const recipe = search({ part: [partial(quantize.dynamic())] });
    const { report } = await build(project.config({ recipe, gates: { sqnrDb: -100 } }));
    expect(report.candidates[1]).toMatchObject({ passes: [{ pass: 'quantize.dynamic' }], sensitivity: null });
  });

  it('reports what came closest when no exclusion is enough', async () => {
    const recipe = search({ part: [partial(quantize.static(), { most: 0.4 })] });
    const { report } = await build(project.config({ recipe, gates: { sqnrDb: 90 } }));
    const part = report.candidates[1]!;
    expect(part.verdict).toBe('failed');
    expect(part.sensitivity!.steps.every(({ holds }) => !holds)).toBe(true);
    expect(part.passes).toEqual([{ pass: 'quantize.static', exclude: ['second'] }]);
  });
});
