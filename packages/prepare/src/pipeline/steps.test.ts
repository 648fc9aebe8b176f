import { mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { createLogger, precision, prune, quantize, simplify, systemClock } from '@slipway/core';
import { buildModel, type Builder, type Model, type Shape, signatureOf } from '@slipway/onnx';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { renderReport } from '../report/terminal.ts';
import { makeOutlierProject } from '../testing/outlier.ts';
import { makeProject, type Project } from '../testing/projects.ts';
import { generateRows } from '../validate/generated.ts';
import { build } from './build.ts';
import { openCache, type StageCache } from './cache.ts';
import { sessionOf, toolVersions } from './context.ts';
import { saveModel } from './model-files.ts';
import { type StepChecker, stepChecker, type StepModel } from './steps.ts';

let project: Project;
beforeEach(async () => {
  project = await makeProject();
});
afterEach(() => project.remove());

describe('parity after every pass', () => {
  it('is in the report, step by step, and compares with the model before the pass', async () => {
    const recipe = [prune.magnitude({ rule: 'ratio', ratio: 0.3 }), simplify(), precision.float16()];
    const { report, files } = await build(project.config({ recipe }));
    const [source, made] = report.candidates;
    expect(source!.steps).toEqual([]);
    const [pruned, simplified, halved] = made!.steps;
    expect(made!.steps.map(({ pass }) => pass)).toEqual(recipe.map(({ pass }) => pass));
    expect(pruned!.parity).toMatchObject({ rows: 8 });
    expect(pruned!.parity!.sqnrDb).toBeLessThan(40);
    // Each against what it was given, so what pruning lost is not told again.
    expect(simplified!.parity).toMatchObject({ sqnrDb: null });
    expect(halved!.parity!.sqnrDb).toBeGreaterThan(50);
    const again = await build(project.config({ recipe }));
    expect(again.report.candidates[1]!.steps).toEqual(made!.steps);
    expect(readFileSync(files.html, 'utf8')).toContain(`SQNR ${pruned!.parity!.sqnrDb!.toFixed(1)} dB`);
  });
});

describe('a step after which the outputs are far off', () => {
  it('names the node at which that begins, in the report and on the terminal', async () => {
    const outlier = await makeOutlierProject();
    try {
      const recipe = [simplify(), quantize.static()];
      const { report, files } = await build(outlier.config({ recipe, gates: {} }));
      const [simplified, quantized] = report.candidates[1]!.steps;
      expect(simplified).toMatchObject({ parity: { sqnrDb: null }, divergence: null, note: null });
      expect(quantized!.parity!.sqnrDb).toBeLessThan(10);
      expect(quantized!.divergence).toMatchObject({
        nodes: [{ name: 'second', operator: 'MatMul' }, { name: 'relu' }],
      });
      const told =
        /first diverges at one of 2 nodes that the other model computes together, "second" \(MatMul\) to "relu" \(Relu\): SQNR \d+\.\d dB before them, SQNR -?\d\.\d dB after them/;
      const terminal = renderReport(report, { width: 400, color: false });
      expect(terminal).toMatch(told);
      expect(terminal).not.toContain('after simplify');
      expect(readFileSync(files.html, 'utf8').replaceAll('&quot;', '"')).toMatch(told);
    } finally {
      outlier.remove();
    }
  });
});

describe('a step', () => {
  const linear = (output: (b: Builder, x: string) => string, shape: Shape | null = null): Model =>
    buildModel((b) => {
      const x = b.input('x', 'float32', ['rows', 4]);
      b.output(output(b, x), 'float32', shape);
    });
  const scaled = (factor: number): Model =>
    linear((b, x) => b.op('Mul', [x, b.floats('factor', [], [factor])], { outputs: ['y'] }), ['rows', 4]);

  let cache: StageCache;
  beforeEach(async () => {
    cache = await openCache(path.join(project.directory, 'cache'), createLogger('silent'));
  });
  afterEach(() => cache.close());

  const saved = async (model: Model, name: string): Promise<StepModel> => {
    const directory = path.join(project.directory, name);
    mkdirSync(directory);
    return { directory, model: await saveModel(model, directory) };
  };
  const checker = (source: Model): StepChecker => {
    const config = project.config();
    const context = {
      config,
      cache,
      log: createLogger('silent'),
      signal: new AbortController().signal,
      clock: systemClock,
      memoryBytes: 2 ** 30,
      session: sessionOf(config),
      tools: toolVersions(),
      tell: () => undefined,
    };
    return stepChecker({ evaluation: generateRows(signatureOf(source), 32, 0), generated: true, output: 'y' }, context);
  };
  const check = async (after: Model, pass = simplify()): ReturnType<StepChecker['check']> => {
    const source = scaled(2);
    return checker(source).check(await saved(source, 'before'), await saved(after, 'after'), pass);
  };

  it('fails the pass that gives what is not finite', async () => {
    await expect(check(scaled(Infinity))).rejects.toMatchObject({
      code: 'PASS_BROKEN',
      message: expect.stringMatching(
        /^Pass simplify breaks the model: output "y" is .* where the source gives .*; it first diverges at node "Mul_0" \(Mul\): nothing but inputs and constants before it, infinite values after it$/,
      ) as string,
    });
  });

  it('fails the pass that gives another shape, or another type', async () => {
    const turned = linear((b, x) => b.op('Transpose', [x], { outputs: ['y'] }));
    await expect(check(turned)).rejects.toThrow(
      'Pass simplify breaks the model: the output "y" is float32[4, 8] and was float32[8, 4]',
    );
  });

  it('does not compare what its options make take other rows, and says why', async () => {
    const step = await check(scaled(2), precision.float16({ keepIo: false }));
    expect(step).toMatchObject({ parity: null, note: expect.stringContaining('keepIo') as string });
  });

  it('says so when the model cannot be run', async () => {
    const odd = linear((b, x) => b.op('NoSuchOperator', [x], { outputs: ['y'] }));
    const { parity, note } = await check(odd);
    expect(parity).toBeNull();
    expect(note).toContain('not compared: ');
    expect(note).toContain('NoSuchOperator');
  });
});
