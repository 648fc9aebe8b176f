/** Builds whose rows differ in shape: every stage runs them as they are, and every format of them gives the same release. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  openStore,
  partial,
  precision,
  quantize,
  randomStream,
  search,
  type Tensor,
  tensor,
  writeNpz,
} from '@slipway/core';
import { compileConfig } from '@slipway/core/schemas';
import { buildModel, intAttribute, intsAttribute, writeModelFile } from '@slipway/onnx';
import { readGolden, type Runner, startRunner } from '@slipway/runtime';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { diffModels } from '../diff/diff.ts';
import { floats } from '../passes/testing/run.ts';
import { readTokens } from '../testing/sst2.ts';
import { build } from './build.ts';
import type { BuildResult } from './hooks.ts';

let directory = '';
beforeEach(() => (directory = mkdtempSync(path.join(tmpdir(), 'slipway-lengths-'))));
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const write = (name: string, content: string | Uint8Array): string => {
  writeFileSync(path.join(directory, name), content);
  return name;
};
const jsonl = (rows: readonly unknown[]): string => rows.map((row) => JSON.stringify(row)).join('\n');

interface Row {
  readonly x: readonly (readonly number[])[];
  readonly label: number;
}

/** Sequences of one to nine vectors of four numbers; every seventh row is labelled wrongly. */
function makeRows(count: number, seed: number, answers: (x: Row['x']) => number): Row[] {
  const random = randomStream(seed);
  return Array.from({ length: count }, (_, i) => {
    const x = Array.from({ length: 1 + Math.floor(random() * 9) }, () =>
      Array.from({ length: 4 }, () => Math.fround(random() * 2 - 1)),
    );
    return { x, label: i % 7 === 0 ? 1 - answers(x) : answers(x) };
  });
}

async function makeModel(): Promise<(x: Row['x']) => number> {
  const w = floats([4, 2], 3);
  const model = buildModel(
    (b) => {
      const x = b.input('x', 'float32', ['batch', 'length', 4]);
      const product = b.op('MatMul', [x, b.constant('w', w)]);
      const mean = b.op('ReduceMean', [product], {
        attributes: [intAttribute('keepdims', 0), intsAttribute('axes', [1])],
        outputs: ['scores'],
      });
      b.output(mean, 'float32', ['batch', 2]);
    },
    { opset: 17 },
  );
  await writeModelFile(path.join(directory, 'model.onnx'), model);
  const weights = w.data as Float32Array;
  return (x) => {
    const score = (column: number): number =>
      x.reduce((sum, row) => sum + row.reduce((all, value, i) => all + value * (weights[i * 2 + column] ?? 0), 0), 0);
    return score(1) > score(0) ? 1 : 0;
  };
}

const configOf = (calibration: string, evaluation: string) =>
  compileConfig(
    {
      name: 'lengths',
      source: 'model.onnx',
      data: { calibration, evaluation },
      recipe: search({ int8: [quantize.static()], dynamic: [quantize.dynamic()] }),
      objective: 'size',
      measure: { iterations: 10, warmup: 0, threads: 1, batch: 2 },
    },
    path.join(directory, 'slipway.config.ts'),
  );

interface Golden {
  readonly arrays: ReadonlyMap<string, Tensor>;
  /** A runner that is started from the release as a server does it, and has therefore given its golden samples again. */
  readonly runner: Runner;
}

async function served({ release }: BuildResult): Promise<Golden> {
  const store = await openStore(path.join(directory, '.slipway/store'));
  const at = await store.checkout(release!);
  const { manifest } = release!;
  return {
    arrays: readGolden(at, manifest.golden!),
    runner: await startRunner({ model: release!.name, path: at, session: { threads: 1 } }),
  };
}

describe('rows that differ in length', () => {
  it('go through every stage, and give the same release from every format', async () => {
    const answers = await makeModel();
    const [calibration, evaluation] = [makeRows(30, 1, answers), makeRows(70, 2, answers)];
    const files = [calibration, evaluation].map((rows, i) => write(`${i}.jsonl`, jsonl(rows)));
    const result = await build(configOf(files[0]!, files[1]!));
    const { report, release } = result;
    expect(result.failure).toBeNull();
    for (const candidate of report.candidates) {
      expect(candidate.metrics[0]!.value!.rows, candidate.name).toBe(70);
      expect(candidate.parity!.rows).toBe(70);
      expect(candidate.latency!.batch).toBe(2);
    }
    expect(report.candidates[0]!.metrics[0]!.value!.value).toBe(60 / 70);
    const { arrays, runner } = await served(result);
    await runner.stop();
    const lengths = Array.from({ length: 8 }, (_, i) => arrays.get(`input/x/${i}`)!.shape);
    expect(lengths).toEqual(Array.from({ length: 8 }, (_, i) => [1, evaluation[i * 8]!.x.length, 4]));

    const archived = [calibration, evaluation].map((rows, i) =>
      write(
        `${i}.npz`,
        writeNpz([
          ...rows.map(
            ({ x }, row) => [`x/${row}`, tensor('float32', [x.length, 4], Float32Array.from(x.flat()))] as const,
          ),
          [
            'labels',
            tensor(
              'uint8',
              [rows.length],
              Uint8Array.from(rows, ({ label }) => label),
            ),
          ],
        ]),
      ),
    );
    const again = await build(configOf(archived[0]!, archived[1]!));
    expect(again.report.candidates[0]!.metrics).toEqual(report.candidates[0]!.metrics);
    expect(again.release!.manifest.lineage.data.calibration).toEqual(release!.manifest.lineage.data.calibration);
    const difference = await diffModels('lengths:1', 'model.onnx', {
      cwd: directory,
      store: path.join(directory, '.slipway/store'),
      run: true,
      signal: new AbortController().signal,
    });
    expect(difference.trial).toMatchObject({ goldenOf: 'lengths:1', rows: 8 });
  });

  it('are searched for a partial pass and with options', async () => {
    const answers = await makeModel();
    const [calibration, evaluation] = [makeRows(30, 1, answers), makeRows(300, 2, answers)];
    const files = [calibration, evaluation].map((rows, i) => write(`${i}.jsonl`, jsonl(rows)));
    const { report, failure } = await build(
      compileConfig(
        {
          name: 'lengths',
          source: 'model.onnx',
          data: { calibration: files[0]!, evaluation: files[1]! },
          recipe: search({ part: [partial(quantize.static())], mixed: [precision.mixed()] }),
          gates: { sqnrDb: 70 },
          allow: ['larger', 'slower'],
          objective: 'size',
          measure: { iterations: 10, warmup: 0, threads: 1 },
        },
        path.join(directory, 'slipway.config.ts'),
      ),
    );
    expect(failure).toBeNull();
    expect(report.candidates.map(({ name, metrics }) => [name, metrics[0]?.value?.rows])).toEqual([
      ['source', 300],
      ['part', 300],
      ['mixed', 300],
    ]);
    expect(report.candidates[1]!.sensitivity!.layers).toHaveLength(1);
  });

  it('are refused in one message where a row is not what the model takes', async () => {
    await makeModel();
    const good = jsonl([{ x: [[1, 2, 3, 4]], label: 0 }]);
    const bad = jsonl([{ x: [[1, 2, 3, 4]] }, { x: [[1, 2, 3]] }]);
    await expect(build(configOf(write('bad.jsonl', bad), write('good.jsonl', good)))).rejects.toMatchObject({
      code: 'DATA_MISMATCH',
      message: expect.stringContaining(
        'input "x": row 1 has shape [1, 3], the model takes float32[batch, length, 4] (axis 0 counts rows)',
      ) as string,
    });
  });
});

const data = path.resolve(import.meta.dirname, '../../../../../shared/data');
describe.skipIf(!existsSync(data))('sentences of a transformer, as long as each is (needs ../shared/data)', () => {
  it('have the accuracy that is known of padded ones, and calibrate 8 bits that keep it', async () => {
    const rows = (part: 'train' | 'dev', to: number) =>
      jsonl(
        readTokens(data, part, 0, to).map(({ ids, label }) => ({
          input_ids: ids,
          segment_ids: ids.map(() => 0),
          input_mask: ids.map(() => 1),
          label,
        })),
      );
    const { report, failure } = await build(
      compileConfig(
        {
          name: 'sentiment',
          source: path.join(data, 'sentiment/sentiment.onnx'),
          data: { calibration: write('c.jsonl', rows('train', 60)), evaluation: write('e.jsonl', rows('dev', 872)) },
          recipe: [quantize.static()],
          objective: 'size',
          measure: { iterations: 10, warmup: 0, threads: 1 },
        },
        path.join(directory, 'slipway.config.ts'),
      ),
    );
    expect(failure).toBeNull();
    const [source, quantized] = report.candidates;
    expect(source!.metrics[0]!.value!.value).toBe(677 / 872);
    expect(quantized!.metrics[0]!.value!.value).toBeGreaterThanOrEqual(677 / 872 - 0.005);
    expect(quantized!.size!.bytes).toBeLessThan(source!.size!.bytes / 3.5);
    expect(quantized!.parity!.sqnrDb).toBeGreaterThan(35);
  });
});
