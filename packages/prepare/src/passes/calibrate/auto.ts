/**
 * Which method to calibrate with, decided by trying: each candidate's ranges are put into the float model as rounding and
 * clipping of the same tensors, and the one whose outputs stay closest to those of the model itself is kept. All candidates share
 * one pass over the data. Only activations are rounded here, because the ranges are all that differs.
 */
import { type Dataset, digestOfJson, fail, type PassName, type Tensors } from '@slipway/core';
import { editGraphs, type GraphEditor, type Model, opsetOf, valueDigests } from '@slipway/onnx';
import type { PassContext } from '../../pass.ts';
import { run } from './collect.ts';
import type { Estimated } from './estimate.ts';
import { type Estimator, nameOf } from './method.ts';
import { writerTo } from './probe.ts';
import type { Range, Target } from './range.ts';
import { callOf, walk } from './rows.ts';

/** The simplest first: a later one has to be clearly better. */
export const CANDIDATES: readonly Estimator[] = [
  { method: 'minmax' },
  { method: 'percentile', percentile: 99.999 },
  { method: 'percentile', percentile: 99.99 },
  { method: 'percentile', percentile: 99.9 },
  { method: 'mse' },
  { method: 'entropy' },
];

/** What clearly better is: less than this share of the error. */
const CLEARLY = 0.98;

/** Rows on which candidates are compared: outputs are averages already. */
const TRIAL_ROWS = 64;

export interface Choice {
  readonly ranges: ReadonlyMap<string, Range>;
  /** Which one was kept and what the others would have cost. */
  readonly note: string;
}

/** @param estimated by the candidates, in their order */
export async function chooseRanges(
  pass: PassName,
  model: Model,
  estimated: ReadonlyMap<string, Estimated>,
  target: Target,
  rows: Dataset,
  context: PassContext,
): Promise<Choice> {
  const trials: { readonly name: string; readonly ranges: ReadonlyMap<string, Range>; readonly error: number }[] = [];
  for (const [i, estimator] of CANDIDATES.entries()) {
    const ranges = new Map([...estimated].map(([tensor, { whole, by }]) => [tensor, by[i] ?? whole]));
    const same = trials.find((other) =>
      [...ranges].every(([tensor, range]) => isSame(range, other.ranges.get(tensor))),
    );
    const error = same?.error ?? (await outputError(pass, model, rounded(model, ranges, target), rows, context));
    trials.push({ name: nameOf(estimator), ranges, error });
  }
  const best = trials.reduce((a, b) => (b.error < a.error * CLEARLY ? b : a));
  const others = trials.map(({ name, error }) => `${name} ${error.toExponential(1)}`).join(', ');
  const note = `Calibrated with ${best.name}: rounding activations so changes the outputs least (error relative to the power of the outputs: ${others}).`;
  return { ranges: best.ranges, note };
}

const isSame = (a: Range, b: Range | undefined): boolean => a.min === b?.min && a.max === b.max;

/**
 * Σ(y − ŷ)² / Σy², averaged over the float outputs, on the first rows.
 * Both models run side by side, so that no more than one call of each is in memory.
 * @throws PASS_NOT_APPLICABLE when the model has no output that a distance can be taken of
 */
export async function outputError(
  pass: PassName,
  model: Model,
  changed: Model,
  rows: Dataset,
  context: PassContext,
  limit = TRIAL_ROWS,
): Promise<number> {
  const outputs = (of: Model): [string, string][] => {
    const names = of.graph.outputs.map(({ name }) => name);
    return [...valueDigests(of, names)].map(([name, digest]) => [name, digest]);
  };
  const item = digestOfJson([outputs(model), outputs(changed)]);
  const about = { outputError: limit, call: callOf(rows) };
  const found = await context.remember(about, [item], async () => {
    const error = await measureError(pass, model, changed, rows, context, limit);
    return new Map([[item, Number.isFinite(error) ? error : null]]);
  });
  return found.get(item) ?? Infinity;
}

async function measureError(
  pass: PassName,
  model: Model,
  changed: Model,
  rows: Dataset,
  context: PassContext,
  limit: number,
): Promise<number> {
  const sums = new Map<string, { error: number; power: number }>();
  const others = run(changed, walk(rows, undefined, limit), context, 'changed', 'none');
  try {
    for await (const expected of run(model, walk(rows, undefined, limit), context, 'reference', 'none')) {
      const next = await others.next();
      const actual: Tensors = next.done === true ? {} : next.value;
      for (const [name, tensor] of Object.entries(expected)) {
        const other = actual[name];
        if (tensor.dtype !== 'float32' || other?.dtype !== 'float32') continue;
        const sum = sums.get(name) ?? { error: 0, power: 0 };
        sums.set(name, sum);
        tensor.data.forEach((want, i) => {
          sum.error += (want - (other.data[i] ?? NaN)) ** 2;
          sum.power += want * want;
        });
      }
    }
  } finally {
    await others.return(undefined);
  }
  if (sums.size === 0) {
    const problem = 'no output of the model is float32, so no error can be measured on it; name one calibration method';
    throw fail('PASS_NOT_APPLICABLE', { pass, problem });
  }
  const errors = [...sums.values()].map(({ error, power }) => (power > 0 ? error / power : error));
  return errors.reduce((sum, error) => sum + error, 0) / errors.length;
}

/** The model with each of these tensors, in whatever graph, rounded as in the quantized type. */
function rounded(model: Model, ranges: ReadonlyMap<string, Range>, target: Target): Model {
  const opset = opsetOf(model);
  return editGraphs(model, (editor) => {
    const made = [...editor.inputs.map(({ name }) => name), ...editor.nodes.flatMap(({ outputs }) => outputs)];
    for (const tensor of made) {
      const range = ranges.get(tensor);
      if (range !== undefined) round(editor, tensor, range, target, opset);
    }
  });
}

function round(editor: GraphEditor, tensor: string, range: Range, { levels, symmetric }: Target, opset: number): void {
  const bound = Math.max(-range.min, range.max);
  const [low, high] = symmetric ? [-bound, bound] : [Math.min(range.min, 0), Math.max(range.max, 0)];
  const step = (high - low) / (symmetric ? levels - 2 : levels - 1);
  if (step === 0) return;
  const bottom = Math.round(low / step);
  const readers = new Set(editor.consumers(tensor));
  const { node, constant } = writerTo(editor, opset, () => editor.uniqueName(`${tensor}_rounded`));
  const scalar = (value: number): string => constant({ dtype: 'float32', shape: [], data: Float32Array.of(value) });
  const scaled = node('Round', [node('Div', [tensor, scalar(step)])]);
  const steps = symmetric ? levels - 2 : levels - 1;
  const clipped = node('Clip', [scaled, scalar(bottom), scalar(bottom + steps)]);
  const result = node('Mul', [clipped, scalar(step)]);
  editor.replaceUses(tensor, result, (reader) => readers.has(reader));
}
