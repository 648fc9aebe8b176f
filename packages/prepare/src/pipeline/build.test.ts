import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { batching, openStore, precision, prune, quantize, search, simplify, tensor, writeNpz } from '@slipway/core';
import { buildModel, writeModelFile } from '@slipway/onnx';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { uniform } from '../passes/testing/run.ts';
import { makeProject, type Project } from '../testing/projects.ts';
import { build } from './build.ts';
import type { BuildProgress } from './hooks.ts';

let project: Project;
beforeEach(async () => {
  project = await makeProject();
});
afterEach(() => project.remove());

const inside = (...parts: string[]): string => path.join(project.directory, '.slipway', ...parts);
const releases = async (): Promise<number> => (await (await openStore(project.config().store)).list()).length;

describe('build', () => {
  it('measures the source and releases it', async () => {
    const events: BuildProgress[] = [];
    const result = await build(project.config(), { progress: (event) => events.push(event) });
    expect(result.failure).toBeNull();
    expect(result.release).toMatchObject({ name: 'tiny', version: 1 });
    const [source] = result.report.candidates;
    expect(source).toMatchObject({ name: 'source', verdict: 'winner', reason: 'the only candidate that passed' });
    expect(source!.metrics[0]).toMatchObject({ name: 'accuracy', value: { value: 0.9, rows: 200 } });
    expect(source!.latency!.p50Ms).toBeGreaterThan(0);
    expect(source!.peakRssBytes).toBeGreaterThan(1e6);
    expect(source!.parity).toMatchObject({ sqnrDb: null, argmaxAgreement: 1, rows: 200 });
    expect(JSON.parse(readFileSync(result.files.json, 'utf8'))).toEqual(result.report);
    expect(readFileSync(result.files.html, 'utf8')).toContain('tiny');
    expect([...new Set(events.map((event) => event.stage))]).toEqual([
      'import',
      'data',
      'passes',
      'evaluate',
      'measure',
      'release',
    ]);
    const { golden, lineage, files } = result.release!.manifest;
    expect(golden!.count).toBeGreaterThanOrEqual(8);
    expect(lineage.steps.map((step) => step.pass)).toEqual(['import']);
    expect(files.map((file) => file.path)).toEqual(['golden.npz', 'model.onnx']);
  });

  it('gives the same release again, from a full and from an empty cache', async () => {
    const config = project.config({ recipe: [prune.magnitude({ rule: 'ratio', ratio: 0.5 })] });
    const first = await build(config);
    const again = await build(config);
    expect(again.release).toMatchObject({ digest: first.release!.digest, version: 1 });
    rmSync(inside('cache'), { recursive: true });
    rmSync(inside('store'), { recursive: true });
    const fresh = await build(config);
    expect(fresh.release!.digest).toBe(first.release!.digest);
    expect(await releases()).toBe(1);
  });

  it('keeps nothing of what passes put into their directories while they worked', async () => {
    const left: string[][] = [];
    const config = project.config({
      recipe: [quantize.static()],
      data: { calibration: 'calibration.npz', evaluation: 'evaluation.npz' },
    });
    const { report } = await build(config, {
      progress: ({ stage }) => {
        if (stage !== 'evaluate') return;
        const all = readdirSync(inside('cache', 'tmp'), { recursive: true, encoding: 'utf8' });
        // Those of candidates, as they are put together, are called model.onnx.
        left.push(all.filter((file) => file.endsWith('.onnx') && path.basename(file) !== 'model.onnx'));
      },
    });
    expect(report.candidates[1]!.passes).toEqual([{ pass: 'quantize.static' }]);
    expect(report.candidates[1]!.metrics[0]!.value).not.toBeNull();
    expect(left.length).toBeGreaterThan(0);
    expect(left.flat()).toEqual([]);
  });

  it('measures a model that takes float16 on rows in float32, and releases it with inputs of its own', async () => {
    const half = [precision.float16({ keepIo: false })];
    const { release, report } = await build(project.config({ recipe: half, gates: { sqnrDb: 40 } }));
    const [, candidate] = report.candidates;
    expect(candidate).toMatchObject({ verdict: 'winner', parity: { rows: 200 } });
    expect(candidate!.latency!.p50Ms).toBeGreaterThan(0);
    expect(release!.manifest.signature).toMatchObject({
      inputs: [{ dtype: 'float16' }],
      outputs: [{ dtype: 'float16' }],
    });
  });

  it('takes names of the source in every pass of a recipe, whatever was fused before', async () => {
    const model = buildModel((b) => {
      b.input('x', 'float32', ['rows', 16]);
      b.floats('w', [16, 3], uniform(48, 1));
      b.floats('bias', [3], [1, 2, 3]);
      b.op('MatMul', ['x', 'w'], { name: 'product', outputs: ['p'] });
      b.op('Add', ['p', 'bias'], { name: 'shift', outputs: ['scores'] });
      b.output('scores', 'float32', ['rows', 3]);
    });
    await writeModelFile(path.join(project.directory, 'model.onnx'), model);
    const reason = async (name: string): Promise<string | undefined> => {
      const recipe = [simplify(), prune.magnitude({ rule: 'mean', exclude: [name] })];
      const { report } = await build(project.config({ recipe }));
      return report.candidates.find((candidate) => candidate.name !== 'source')?.reason;
    };
    // Product and shift have become one Gemm, which has the name of neither or one of them.
    expect(await reason('product')).toContain('all weights are left alone: excluded: w');
    expect(await reason('shift')).toContain('all weights are left alone: excluded: w');
    expect(await reason('shfit')).toContain('did you mean "shift"?');
  });

  it('says that latency was taken from an earlier build, and measures again when the settings differ', async () => {
    await build(project.config());
    const again = await build(project.config());
    expect(again.report.candidates[0]!.latency).toMatchObject({ cached: true, iterations: 10 });
    const more = await build(project.config({ measure: { iterations: 20, warmup: 0, threads: 1 } }));
    expect(more.report.candidates[0]!.latency!.cached).toBe(false);
  });

  it('chooses by the objective, and says what each objective would choose', async () => {
    const candidates = { pruned: [prune.magnitude({ rule: 'ratio', ratio: 0.75 })] };
    const { report } = await build(project.config({ recipe: search(candidates), gates: { drop: 0.9 } }));
    // Zeros compress: as large on disk, smaller compressed.
    expect(report.choices.size).toBe('pruned');
    expect(report.choices.accuracy).toBe('source');
    expect(report.winner).toBe('pruned');
    expect(report.candidates[1]!.reason).toMatch(/^smallest: as large as source on disk, −\d+ % compressed$/);
    const zeros = report.candidates[1]!.sparsity[0]!;
    expect(zeros.zeros / zeros.elements).toBeCloseTo(0.75, 2);
  });

  it('releases nothing when no candidate passes, and names the gate that came closest', async () => {
    const recipe = search({ pruned: [prune.magnitude({ rule: 'ratio', ratio: 0.9 })] });
    const { report, release, failure, files } = await build(project.config({ recipe, gates: { metric: 0.95 } }));
    expect(release).toBeNull();
    expect(failure).toMatchObject({ code: 'GATE_FAILED', exitCode: 7 });
    expect(failure!.message).toContain('"source" came closest: accuracy 90.00 %, at least 95.00 %');
    expect(report.candidates.map((candidate) => candidate.verdict)).toEqual(['failed', 'failed']);
    expect(existsSync(files.html)).toBe(true);
    expect(await releases()).toBe(0);
  });

  it('measures models in groups, each beside the source, when they do not fit into memory together', async () => {
    const prune1 = [prune.magnitude({ rule: 'ratio', ratio: 0.5 })];
    const prune2 = [prune.magnitude({ rule: 'ratio', ratio: 0.25 })];
    const config = project.config({ recipe: search({ half: prune1, quarter: prune2 }) });
    const { report } = await build(config, { memoryBytes: 1 });
    expect(report.candidates.map((each) => each.verdict)).toEqual(['passed', 'winner', 'passed']);
    for (const { name, latency } of report.candidates) {
      expect(latency!.iterations).toBe(10);
      expect(latency!.versusSource === null).toBe(name === 'source');
    }
  });

  it('reports a candidate that cannot be made and goes on', async () => {
    const recipe = search({ hopeless: [quantize.static()], pruned: [prune.magnitude({ rule: 'ratio', ratio: 0.5 })] });
    const { report, release } = await build(project.config({ recipe }));
    expect(report.candidates[1]).toMatchObject({ name: 'hopeless', verdict: 'error', gates: [], size: null });
    expect(report.candidates[1]!.reason).not.toContain(project.directory);
    expect(release!.version).toBe(1);
  });

  it('releases nothing when no recipe could be made: nobody asked for the source as it is', async () => {
    const recipe = search({ hopeless: [quantize.static()] });
    const { report, release, failure } = await build(project.config({ recipe }));
    expect(release).toBeNull();
    expect(failure).toMatchObject({ code: 'RECIPES_FAILED', exitCode: 1 });
    expect(failure!.message).toContain('"hopeless": ');
    expect(report.winner).toBeNull();
    expect(report.candidates[0]).toMatchObject({ name: 'source', verdict: 'passed' });
    expect(report.candidates[1]!.verdict).toBe('error');
  });

  it('refuses a compressed model that is not smaller, unless asked to take it', async () => {
    // Sixteen by three weights: what int8 saves, the nodes around it cost.
    const recipe = search({ int8: [quantize.dynamic()] });
    const { report } = await build(project.config({ recipe }));
    const int8 = report.candidates[1]!;
    expect(int8.size!.bytes).toBeGreaterThan(report.candidates[0]!.size!.bytes);
    expect(int8).toMatchObject({ verdict: 'refused' });
    expect(int8.reason).toContain('not smaller than source');
    const asked = await build(project.config({ recipe, allow: ['larger'] }));
    expect(asked.report.candidates[1]!.verdict).toBe('passed');
  });

  it('works without any data, and says that accuracy was not measured', async () => {
    const recipe = search({ pruned: [prune.magnitude({ rule: 'ratio', ratio: 0.5 })] });
    const { report, release } = await build(project.config({ data: {}, recipe }));
    expect(release).not.toBeNull();
    expect(report.rows).toEqual({ calibration: 0, evaluation: 0 });
    expect(report.choices).toMatchObject({ size: 'pruned', accuracy: null });
    for (const candidate of report.candidates) {
      expect(candidate.metrics).toEqual([]);
      expect(candidate.parity!.rows).toBe(32);
      expect(candidate.notes.join()).toContain('accuracy was not measured');
    }
  });
});

describe('a model with a fixed batch', () => {
  it('is evaluated row by row', async () => {
    const fixed = await makeProject(1);
    try {
      const { report, release } = await build(fixed.config());
      expect(report.candidates[0]!.metrics[0]!.value).toMatchObject({ value: 0.9, rows: 200 });
      expect(release!.manifest.golden!.count).toBe(8);
      // Freed, it is as fast and can be served in batches: nothing else speaks for either.
      const recipe = search({ free: [batching.dynamic()] });
      const freed = await build(fixed.config({ recipe, objective: 'accuracy' }));
      expect(freed.report.winner).toBe('free');
    } finally {
      fixed.remove();
    }
  });
});

describe('a pass that fixes the batch', () => {
  it('is measured on the same rows as the source, which takes any number', async () => {
    const inputShapes = { x: [3, 16] };
    const recipe = search({ fixed: [simplify({ inputShapes })] });
    const { report } = await build(
      project.config({ recipe, allow: ['slower'], measure: { batch: 3, iterations: 30 } }),
    );
    const [source, fixed] = report.candidates;
    expect(fixed!.reason).not.toContain('shape');
    expect(fixed!.metrics[0]!.value).toEqual(source!.metrics[0]!.value);
    expect(fixed!.parity).toMatchObject({ rows: 200, maxAbsoluteError: 0 });
    expect(fixed!.latency).not.toBeNull();
  });
});

describe('bad data', () => {
  const write = (name: string, rows: number, labels: number): void => {
    const x = tensor('float32', [rows, 16], new Float32Array(rows * 16).fill(0.5));
    const answers = tensor('int64', [labels], new BigInt64Array(labels));
    writeFileSync(
      path.join(project.directory, name),
      writeNpz([
        ['x', x],
        ['labels', answers],
      ]),
    );
  };
  const failing = (data: object): Promise<unknown> => build(project.config({ data })).catch((error: unknown) => error);

  it('is refused when evaluation rows are calibration rows', async () => {
    const rows = (from: number, to: number): object => ({ inputs: 'evaluation.npz', rows: [from, to] });
    const error = await failing({ calibration: rows(0, 50), evaluation: rows(40, 100) });
    expect(error).toMatchObject({ code: 'DATA_OVERLAP', params: { count: 10, row: 40 } });
  });

  it('is refused when labels and rows differ in number', async () => {
    write('uneven.npz', 4, 3);
    expect(await failing({ evaluation: 'uneven.npz' })).toMatchObject({ code: 'DATA_MISMATCH' });
  });

  it('is refused when there are no rows', async () => {
    write('empty.npz', 0, 0);
    expect(await failing({ evaluation: 'empty.npz' })).toMatchObject({ code: 'DATA_EMPTY' });
  });

  it('is refused when a label is no class, or the output is unknown', async () => {
    const labels = tensor('int64', [1], BigInt64Array.of(7n));
    const x = tensor('float32', [1, 16], new Float32Array(16));
    writeFileSync(
      path.join(project.directory, 'seven.npz'),
      writeNpz([
        ['x', x],
        ['labels', labels],
      ]),
    );
    const error = await failing({ evaluation: 'seven.npz' });
    expect(error).toMatchObject({ code: 'DATA_MISMATCH' });
    expect(String(error)).toContain('has the classes 0 to 2');
    expect(await failing({ evaluation: 'evaluation.npz', output: 'logits' })).toMatchObject({ code: 'DATA_MISMATCH' });
  });

  it('leaves nothing behind, and the next build works', async () => {
    await failing({ evaluation: 'missing.npz' });
    expect(readdirSync(inside('cache', 'tmp'))).toEqual([]);
    expect((await build(project.config())).release!.version).toBe(1);
  });
});

describe('a config that cannot be meant', () => {
  it('is refused: names for more classes than there are', async () => {
    const labels = ['a', 'b', 'c', 'd'];
    const error: unknown = await build(project.config({ labels })).catch((thrown: unknown) => thrown);
    expect(String(error)).toContain('4 names for the 3 classes of output "scores"');
  });
});

describe('a bad source', () => {
  it.each([
    ['text', 'hello', 'MODEL_FORMAT'],
    ['nothing', '', 'MODEL_FORMAT'],
  ])('%s is refused', async (_, content, code) => {
    writeFileSync(path.join(project.directory, 'model.onnx'), content);
    await expect(build(project.config())).rejects.toMatchObject({ code });
  });

  it('that is not there is refused', async () => {
    await expect(build(project.config({ source: 'other.onnx' }))).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
  });
});
