/**
 * Rows to run two models on: the inputs of the golden samples that a release carries, which are real ones, or made-up rows
 * where neither side has any. Made-up numbers may be far from anything a model was trained on, so the first are
 * always better.
 */
import {
  type Column,
  columnOf,
  concatRows,
  createDataset,
  type Dataset,
  type InputColumns,
  isRagged,
  type Signature,
  type Tensor,
} from '@slipway/core';
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
    if (inputs === null) continue;
    const rowCount = Math.min(...Object.values(inputs).map(rowCountOf));
    if (!(rowCount >= 1 && Number.isFinite(rowCount))) continue;
    return { dataset: createDataset(signature, inputs, null, { rowCount, firstRow: 0 }), goldenOf: side.name };
  }
  return { dataset: generateRows(signature, count, seed), goldenOf: null };
}

function goldenInputs({ manifest, runnable }: Side, signature: Signature): InputColumns | null {
  if (manifest?.golden === undefined) return null;
  const { golden } = manifest;
  const arrays = readGolden(runnable, golden);
  const inputs: Record<string, Column> = {};
  for (const { name } of signature.inputs) {
    const samples = Array.from({ length: golden.count }, (_, i) => arrays.get(`input/${name}/${i}`) ?? null);
    const each = samples.filter((sample) => sample !== null);
    const value = arrays.get(`input/${name}`) ?? (each.length === samples.length ? stacked(each) : null);
    if (value === null) return null;
    inputs[name] = value;
  }
  return inputs;
}

const rowCountOf = (column: Column): number => (isRagged(column) ? column.parts.length : (column.shape[0] ?? 0));

/** null when the samples are not rows: scalars, or calls of several rows that differ in shape. */
function stacked(samples: readonly Tensor[]): Column | null {
  const [first] = samples;
  const inner = (sample: Tensor): string => sample.shape.slice(1).join(',');
  if (first === undefined || samples.some(({ shape }) => shape.length === 0)) return null;
  if (samples.every(({ shape }) => shape[0] === 1)) return columnOf(samples);
  return samples.every((each) => inner(each) === inner(first)) ? concatRows(samples) : null;
}
