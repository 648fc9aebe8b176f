/**
 * What a runner computes before its version is ready, so that the first request finds what later ones find: memory taken, kernels
 * chosen, pages read. A call at each size a batch can have: 1, 2, 4 … up to the largest, and the preferred ones; a size that
 * takes longer than the latency budget is the last, because the scheduler will not form larger batches.
 *
 * The rows are golden samples, repeated, where the release has some; otherwise zeros of the shapes of the signature. A model that
 * cannot take zeros is not wrong: then it is not warmed, and the log says so. What somebody wrote down must work.
 */
import { asSlipwayError, type Clock, fail, isBatchable } from '@slipway/core';
import type { Dim, Golden, Signature, Tensor, Tensors, TensorSpec } from '@slipway/core';
import { readGolden } from '@slipway/runtime';
import type { WarmUpSettings } from './settings.ts';
import { filled, repeatRows, sampleInputs } from './warm-up-data.ts';

export interface WarmUpPlan {
  readonly signature: Signature;
  readonly settings: WarmUpSettings;
  readonly maxBatchSize: number;
  readonly preferred: readonly number[];
  /** A batch that takes longer is not followed by a larger one, milliseconds. */
  readonly latencyBudgetMs: number;
  /** Inputs of the golden samples, rows along axis 0; null without any. */
  readonly golden: Tensors | null;
  readonly clock: Clock;
}

interface Warmed {
  /** Rows of each call that was made. */
  readonly rows: readonly number[];
  /** Why there were no more, when that is nobody's mistake. */
  readonly skipped: string | null;
}

/** @throws what a call failed with that somebody asked for */
export async function warmUp(run: (inputs: Tensors) => Promise<Tensors>, plan: WarmUpPlan): Promise<Warmed> {
  const { settings, signature, clock } = plan;
  const rows: number[] = [];
  if (settings.data === 'none') return { rows, skipped: null };
  if (settings.samples !== undefined) {
    for (const sample of settings.samples) {
      const inputs = await sampleInputs(sample, signature);
      for (let call = 0; call < sample.count; call++) {
        await run(inputs);
        rows.push(sample.rows);
      }
    }
    return { rows, skipped: null };
  }
  const asked = settings.data !== undefined;
  if (settings.data === 'golden' && plan.golden === null) {
    throw fail('TENSOR_INVALID', { where: 'warm-up', problem: 'the release has no golden samples' });
  }
  try {
    for (const size of sizes(plan)) {
      const inputs = generated(plan, size);
      for (let call = 0; call < (settings.count ?? 1); call++) {
        const before = clock.now();
        await run(inputs);
        rows.push(size);
        if (clock.now() - before > plan.latencyBudgetMs && settings.batchSizes === undefined) {
          return { rows, skipped: null };
        }
      }
    }
  } catch (thrown) {
    const error = asSlipwayError(thrown);
    if (asked || (error.code !== 'INFERENCE_FAILED' && error.code !== 'TENSOR_INVALID')) throw error;
    return { rows, skipped: error.message };
  }
  return { rows, skipped: null };
}

/** Rows of the calls, ascending. */
function sizes({ signature, settings, maxBatchSize, preferred }: Omit<WarmUpPlan, 'clock'>): readonly number[] {
  if (!isBatchable(signature)) return [1];
  if (settings.batchSizes !== undefined) return settings.batchSizes;
  const all = new Set(preferred.filter((size) => size <= maxBatchSize));
  for (let size = 1; size < maxBatchSize; size *= 2) all.add(size);
  all.add(maxBatchSize);
  return [...all].sort((a, b) => a - b);
}

function generated({ signature, settings, golden }: WarmUpPlan, rows: number): Tensors {
  const named = signature.inputs.map((spec): [string, Tensor] => {
    const sample = golden?.[spec.name];
    if (sample !== undefined && settings.data !== 'zero' && settings.data !== 'random') {
      return [spec.name, repeatRows(sample, isBatchable(signature) ? rows : null)];
    }
    const shape = shapeOf(spec, rows, settings.dims ?? {}, isBatchable(signature));
    return [spec.name, filled(spec.dtype, shape, settings.data === 'random' ? 'random' : 'zero')];
  });
  return Object.fromEntries(named);
}

function shapeOf(
  { name, shape }: TensorSpec,
  rows: number,
  dims: Readonly<Record<string, number>>,
  batched: boolean,
): number[] {
  if (shape === null) throw fail('TENSOR_INVALID', { where: `input "${name}"`, problem: 'its rank is not known' });
  return shape.map((dim: Dim, axis) => {
    if (axis === 0 && batched) return rows;
    return typeof dim === 'number' ? dim : (dims[dim] ?? 1);
  });
}

/** Larger files of golden samples are not read a second time for this. */
const MAX_GOLDEN_ROWS = 256;

/** The inputs of the golden samples of a release, null when they are too many or not what the signature says. */
export function goldenInputs(directory: string, golden: Golden, { inputs }: Signature): Tensors | null {
  if (golden.count > MAX_GOLDEN_ROWS) return null;
  const arrays = readGolden(directory, golden);
  const named: [string, Tensor][] = [];
  for (const { name } of inputs) {
    const array = arrays.get(`input/${name}`) ?? arrays.get(`input/${name}/0`);
    if (array === undefined) return null;
    named.push([name, array]);
  }
  return Object.fromEntries(named);
}
