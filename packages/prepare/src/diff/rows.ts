/**
 * Rows to run two models on: the inputs of the golden samples that a release carries, which are real ones, or made-up rows
 * where neither side has any. Made-up numbers may be far from anything a model was trained on, so the first are
 * always better.
 */
import { concatRows, createDataset, type Dataset, type Signature, type Tensor, type Tensors } from '@slipway/core';
import { readGolden } from '@slipway/runtime';
import { generateRows } from '../validate/generated.ts';
import type { Side } from './side.ts';

export interface TrialRows {
  readonly dataset: Dataset;
  /** The release whose golden samples they are; null when they are made up. */
  readonly goldenOf: string | null;
}

/** @param count how many to make up; golden samples are as many as there are */
export function rowsFor(sides: readonly Side[], signature: Signature, count: number, seed: number): TrialRows {
  for (const side of sides) {
    const inputs = goldenInputs(side, signature);
    const rowCount = inputs === null ? 0 : (Object.values(inputs)[0]?.shape[0] ?? 0);
    if (inputs === null || rowCount < 1) continue;
    return { dataset: createDataset(signature, inputs, null, { rowCount, firstRow: 0 }), goldenOf: side.name };
  }
  return { dataset: generateRows(signature, count, seed), goldenOf: null };
}

function goldenInputs({ manifest, runnable }: Side, signature: Signature): Tensors | null {
  if (manifest?.golden === undefined) return null;
  const { golden } = manifest;
  const arrays = readGolden(runnable, golden);
  const inputs: Record<string, Tensor> = {};
  for (const { name } of signature.inputs) {
    const samples = Array.from({ length: golden.count }, (_, i) => arrays.get(`input/${name}/${i}`) ?? null);
    const each = samples.filter((sample) => sample !== null);
    const value = arrays.get(`input/${name}`) ?? (each.length === samples.length ? stacked(each) : null);
    if (value === null) return null;
    inputs[name] = value;
  }
  return inputs;
}

/** null when the samples are not rows: scalars, or of different shapes. */
function stacked(samples: readonly Tensor[]): Tensor | null {
  const [first] = samples;
  const inner = (sample: Tensor): string => sample.shape.slice(1).join(',');
  if (first === undefined || first.shape.length === 0 || samples.some((each) => inner(each) !== inner(first))) {
    return null;
  }
  return concatRows(samples);
}
