/** A report as the digits example gives it, for tests of what is made of reports. */
import type { CandidateReport, Parity, Report } from '@slipway/core';
import { digestOf } from '@slipway/core';
import { difference, estimate } from '../validate/difference.ts';
import { keeper, type Kept } from '../validate/kept.ts';
import { createMetric } from '../validate/metrics/index.ts';

type Figures = Pick<CandidateReport, 'name' | 'passes' | 'verdict' | 'reason' | 'notes' | 'gates'> & {
  readonly bytes: number;
  readonly zstd: number;
  readonly correct: number;
  readonly p50: number;
  readonly ratio: number | null;
  readonly zeros: number;
  readonly sqnr: number | null;
};

const stepParity = (sqnrDb: number | null): Parity => ({
  rows: 8,
  sqnrDb,
  cosine: 0.9998,
  maxAbsoluteError: 200,
  argmaxAgreement: 1,
});

const LAYERS: readonly (readonly [string, string, number])[] = [
  ['Parameter5', 'Conv', 200],
  ['Parameter87', 'Conv', 3200],
  ['Parameter193_reshape1', 'MatMul', 2560],
];

const accuracy = createMetric({ metric: 'accuracy' }, { output: 'y', names: null });

/** Of `total` rows the first are answered correctly. */
export function answers(correct: number, total: number): Kept {
  const kept = keeper();
  for (let row = 0; row < total; row++) kept.add([row < correct ? 1 : 0]);
  return kept.finish();
}

function metricOf({ name, correct }: Figures): CandidateReport['metrics'][number] {
  const own = answers(correct, 9000);
  const versusSource = name === 'source' ? null : difference(accuracy, own, answers(8904, 9000), 0);
  const { unit, better } = accuracy;
  return { name: 'accuracy', unit, better, value: estimate(accuracy, own, 0), versusSource, slices: [] };
}

function candidate(f: Figures): CandidateReport {
  const versusSource = f.ratio === null ? null : { ratio: f.ratio, low: f.ratio * 0.97, high: f.ratio * 1.04 };
  return {
    name: f.name,
    passes: f.passes,
    verdict: f.verdict,
    reason: f.reason,
    digest: digestOf(f.name),
    size: { bytes: f.bytes, compressedBytes: f.zstd },
    metrics: [metricOf(f)],
    latency: {
      p50Ms: f.p50,
      p90Ms: f.p50 * 1.1,
      p99Ms: f.p50 * 1.4,
      meanMs: f.p50 * 1.05,
      iterations: 300,
      batch: 1,
      threads: 2,
      versusSource,
      cached: false,
    },
    peakRssBytes: 94_000_000,
    parity: { rows: 9000, sqnrDb: f.sqnr, cosine: 0.99981, maxAbsoluteError: 214.5, argmaxAgreement: 0.9977 },
    sparsity: LAYERS.map(([name, operator, elements]) => ({
      name,
      operator,
      elements,
      zeros: Math.round(elements * f.zeros),
      dtype: 'float32',
    })),
    gates: f.gates,
    steps: f.passes.map(({ pass }) => ({ pass, parity: stepParity(f.sqnr), divergence: null, note: null })),
    sensitivity: null,
    notes: f.notes,
  };
}

const ACCURACY = { metric: 'accuracy', unit: 'share', better: 'higher', slice: null, evidence: 'estimate' } as const;
const drop = (actual: number, passed: boolean): CandidateReport['gates'] => [
  { gate: 'drop', of: ACCURACY, bound: 0.01, actual, passed },
  { gate: 'p99Ms', of: null, bound: 5, actual: 0.08, passed: true },
];

export function digitsReport(): Report {
  return {
    schema: 'slipway.report/v2',
    name: 'digits',
    createdAt: '2026-11-21T12:00:00.000Z',
    durationMs: 7341,
    host: {
      platform: 'linux-x64',
      cpu: 'Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz',
      cpuFlags: ['avx2', 'avx512f', 'avx512_vnni', 'amx_int8'],
      cores: 2,
      memoryBytes: 8_335_000_000,
      node: 'v24.21.0',
      engine: 'onnxruntime 1.30.0',
    },
    tools: { slipway: '0.1.0', onnxruntime: '1.30.0', zstd: '1.5.7 level 3' },
    signature: {
      inputs: [{ name: 'Input3', dtype: 'float32', shape: ['batch', 1, 28, 28] }],
      outputs: [{ name: 'Plus214_Output_0', dtype: 'float32', shape: ['batch', 10] }],
    },
    metrics: ['accuracy'],
    objective: 'latency',
    gates: { drop: 0.01, p99Ms: 5 },
    choices: { latency: 'source', size: 'int8-dynamic', accuracy: 'source' },
    winner: 'source',
    release: { digest: digestOf('release'), version: 3 },
    candidates: [
      candidate({
        name: 'source',
        passes: [],
        verdict: 'winner',
        reason: 'no pass made it measurably faster',
        notes: [],
        gates: drop(0, true),
        bytes: 26_454,
        zstd: 24_300,
        correct: 8904,
        p50: 0.0301,
        ratio: null,
        zeros: 0,
        sqnr: null,
      }),
      candidate({
        name: 'pruned',
        passes: [{ pass: 'prune.magnitude', rule: 'mean' }],
        verdict: 'failed',
        reason: 'accuracy drop 1.33 points, at most 1.00 points',
        notes: ['Zeroed 58.9 % of 5,960 weights in 3 tensors.'],
        gates: drop(0.0133, false),
        bytes: 26_454,
        zstd: 12_100,
        correct: 8784,
        p50: 0.0303,
        ratio: 1.006,
        zeros: 0.589,
        sqnr: 14.2,
      }),
      candidate({
        name: 'int8-static',
        passes: [{ pass: 'quantize.static' }],
        verdict: 'passed',
        reason: 'passed, but is 1.9× slower than source',
        notes: ['Quantized 3 nodes with 200 calibration rows.', 'Left Pooling66 alone: MaxPool follows its input.'],
        gates: drop(0.0001, true),
        bytes: 12_942,
        zstd: 9_400,
        correct: 8903,
        p50: 0.0581,
        ratio: 1.92,
        zeros: 0.02,
        sqnr: 33.1,
      }),
      candidate({
        name: 'int8-dynamic',
        passes: [{ pass: 'quantize.dynamic' }],
        verdict: 'passed',
        reason: 'passed, but is 4.6× slower than source',
        notes: ['Answers depend on which rows share a batch, by up to 1.2 % of the largest output.'],
        gates: drop(-0.0003, true),
        bytes: 11_546,
        zstd: 8_900,
        correct: 8906,
        p50: 0.138,
        ratio: 4.59,
        zeros: 0.02,
        sqnr: 31.5,
      }),
    ],
    search: null,
    lineage: {
      source: { file: 'mnist.onnx', digest: digestOf('mnist') },
      data: { calibration: digestOf('calibration'), evaluation: digestOf('evaluation') },
      steps: [
        { pass: 'import', version: 1, options: {}, result: digestOf('import') },
        { pass: 'quantize.static', version: 1, options: { perChannel: true }, result: digestOf('static') },
      ],
      tools: { slipway: '0.1.0', onnxruntime: '1.30.0' },
    },
    rows: { calibration: 200, evaluation: 9000 },
  };
}
