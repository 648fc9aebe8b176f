/**
 * Examine a candidate: what it takes and gives, its golden samples, its size and the zeros in its layers; then what it answers on
 * the evaluation rows. All of it depends on nothing but the model, the rows and the tools, so all of it is cached.
 */
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import {
  asSlipwayError,
  createDataset,
  fail,
  type LayerSparsity,
  type Parity,
  type Signature,
  type Size,
  readNpz,
  SlipwayError,
  tensor,
  writeNpz,
} from '@slipway/core';
import type { Model } from '@slipway/onnx';
import type { Runner } from '@slipway/runtime';
import { withScalars } from '../import/scalars.ts';
import { type Evaluation, evaluateAll } from '../validate/evaluate.ts';
import { recordGolden } from '../validate/golden.ts';
import type { Kept } from '../validate/kept.ts';
import { identityOf } from '../validate/metrics/custom.ts';
import { measureSize } from '../validate/size.ts';
import { measureSparsity } from '../validate/sparsity.ts';
import type { Made } from './candidate.ts';
import type { BuildContext } from './context.ts';
import type { BuildData } from './data.ts';
import { loadModel, MODEL_FILE } from './model-files.ts';
import { columnsFor, type Runners } from './runners.ts';

/** Raised when the same model and rows would be examined to another result. */
const EXAMINE_VERSION = 1;
const EVALUATE_VERSION = 3;
export const GOLDEN_FILE = 'golden.npz';

export interface Examined {
  /** Holds `golden.npz`. */
  readonly directory: string;
  readonly signature: Signature;
  readonly golden: {
    readonly count: number;
    readonly tolerance: { readonly absolute: number; readonly relative: number };
  };
  readonly batchSensitivity: number;
  readonly size: Size;
  readonly sparsity: readonly LayerSparsity[];
}

/** Operators that compute in 8 bits, or may, whose rounding is that of the instruction set. */
const QUANTIZED = /^(?:Dynamic)?(?:Quantize|QLinear|Dequantize)|Integer$|^MatMulNBits$/;

const isQuantized = (model: Model): boolean => model.graph.nodes.some(({ op }) => QUANTIZED.test(op));

export async function examine(made: Made, data: BuildData, runners: Runners, context: BuildContext): Promise<Examined> {
  const { cache, session, tools } = context;
  const { evaluation } = data;
  const material = {
    version: EXAMINE_VERSION,
    model: made.model.digest,
    rows: evaluation.digest,
    threads: session.threads,
    tools,
  };
  const { value, directory } = await cache.stage('examine', material, async (into) => {
    context.tell('evaluate', made.name, 'golden samples', 0);
    const model = await loadModel(made.directory);
    const runner = await runners.get(made.name, path.join(made.directory, MODEL_FILE));
    const signature = withScalars(runner.signature, evaluation.signature);
    const { rowCount, firstRow } = evaluation;
    const rows = createDataset(signature, columnsFor(signature, evaluation.inputs), null, { rowCount, firstRow });
    const golden = await recordGolden(runner, signature, rows, isQuantized(model));
    await writeFile(path.join(into, GOLDEN_FILE), writeNpz(golden.arrays));
    return {
      signature,
      golden: { count: golden.count, tolerance: golden.tolerance },
      batchSensitivity: golden.batchSensitivity,
      size: await measureSize(made.model.files.map((file) => path.join(made.directory, file))),
      sparsity: measureSparsity(model),
    };
  });
  return { ...value, directory };
}

/** Beside the parity: what metrics keep, as an archive of two arrays for each. */
const KEPT_FILE = 'kept.npz';

interface StoredEvaluation {
  readonly parity: Parity;
}

/** Evaluate those of `all` (the source first) that have not been, beside the source. Errors are per candidate. */
export async function evaluate(
  all: readonly Made[],
  data: BuildData,
  runners: Runners,
  context: BuildContext,
): Promise<ReadonlyMap<string, Evaluation | SlipwayError>> {
  const { cache, tools, session, signal } = context;
  const [source] = all;
  if (source === undefined) return new Map();
  const metrics = await Promise.all(data.specs.map(identityOf));
  const materialOf = (made: Made) => ({
    version: EVALUATE_VERSION,
    model: made.model.digest,
    source: source.model.digest,
    rows: data.evaluation.digest,
    names: context.config.labels,
    output: data.output,
    metrics,
    threads: session.threads,
    tools,
  });
  const results = new Map<string, Evaluation | SlipwayError>();
  const missing: Made[] = [];
  for (const made of all) {
    const found = await cache.find<StoredEvaluation>('evaluation', materialOf(made));
    if (found === null) missing.push(made);
    else results.set(made.name, await restore(found.value, found.directory, data.metrics.length));
  }
  if (missing.length === 0) return results;
  const open = (made: Made): Promise<Runner> => runners.get(made.name, path.join(made.directory, MODEL_FILE));
  const reference = await open(source);
  const others = new Map<string, Runner>();
  for (const made of missing) {
    if (made === source) continue;
    try {
      others.set(made.name, await open(made));
    } catch (error) {
      signal.throwIfAborted();
      results.set(made.name, asSlipwayError(error));
    }
  }
  const evaluated = await evaluateAll(reference, others, {
    dataset: data.evaluation,
    metrics: data.metrics,
    output: data.output,
    signal,
    onRows: (done, total) =>
      context.tell(
        'evaluate',
        null,
        `row ${done.toLocaleString('en-US')} of ${total.toLocaleString('en-US')}`,
        done / total,
      ),
  });
  for (const made of missing) {
    const result = evaluated.get(made.name);
    if (result === undefined) continue;
    results.set(made.name, result);
    if (!(result instanceof SlipwayError)) {
      await cache.stage('evaluation', materialOf(made), (into) => store(result, into));
    }
  }
  return results;
}

async function store({ parity, kept }: Evaluation, into: string): Promise<StoredEvaluation> {
  const arrays = kept.flatMap(({ values, starts }, i) => [
    [`values${i}`, tensor('float64', [values.length], values)] as const,
    [`starts${i}`, tensor('uint32', [starts.length], starts)] as const,
  ]);
  await writeFile(path.join(into, KEPT_FILE), writeNpz(arrays));
  return { parity };
}

async function restore({ parity }: StoredEvaluation, directory: string, metrics: number): Promise<Evaluation> {
  const file = path.join(directory, KEPT_FILE);
  const arrays = readNpz(await readFile(file), file);
  const kept = Array.from({ length: metrics }, (_, i): Kept => {
    const [values, starts] = [arrays.get(`values${i}`), arrays.get(`starts${i}`)];
    if (values?.dtype !== 'float64' || starts?.dtype !== 'uint32') {
      throw fail('INTERNAL', { problem: `${file} lacks what metric ${i} kept` });
    }
    return { rows: starts.data.length - 1, values: values.data, starts: starts.data };
  });
  return { parity, kept };
}
