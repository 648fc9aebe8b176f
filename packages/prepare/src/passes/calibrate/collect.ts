/**
 * Runs the model over the calibration rows and gathers what is needed of its tensors: their extremes per call, or the
 * distribution of their values.
 *
 * Extremes are reduced inside the model, so that three numbers per tensor and call leave the runner. For distributions the tensors
 * themselves do, one call at a time, and are counted here: counting them inside the model costs as much per
 * element as moving them (about 10 ns either way; ScatterElements is what ONNX has for it) and needs the largest value before it starts, that is,
 * a second run. Such calls are of one row, so memory does not depend on how many rows there are; and what is found of a tensor
 * does not depend on which others are asked about, as it would if calls were cut to fit all that leaves (see shared.ts).
 */
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { type Dataset, fail, type PassName, type Tensors } from '@slipway/core';
import { type Model, writeModelFile } from '@slipway/onnx';
import type { PassContext } from '../../pass.ts';
import { type Exposed, expose } from './expose.ts';
import { Histogram } from './histogram.ts';
import { elements, largest, magnitude, type Probe, smallest } from './probe.ts';
import type { Range } from './range.ts';
import { describeRows, type Walk, walk } from './rows.ts';

const EXTREMES: readonly Probe[] = [smallest, largest, magnitude];

/** @param calls how many calls of this tensor came before */
export type Merge = (known: Range, found: Range, calls: number) => Range;

/** The range of each tensor, merged over all calls. Without the tensors that were never computed. */
export async function collectExtremes(
  pass: PassName,
  model: Model,
  tensors: readonly string[],
  rows: Dataset,
  context: PassContext,
  merge: Merge,
): Promise<ReadonlyMap<string, Range>> {
  const ranges = new Map<string, { range: Range; calls: number }>();
  const exposed = expose(model, new Map(tensors.map((tensor) => [tensor, EXTREMES])));
  const steps = walk(rows);
  for await (const outputs of run(exposed.model, steps, context, undefined, 'none')) {
    for (const [tensor, names] of exposed.outputs) {
      const found = extremes(pass, tensor, names, outputs, rows, steps.current);
      if (found === null) continue;
      const known = ranges.get(tensor);
      const calls = known?.calls ?? 0;
      ranges.set(tensor, { range: known === undefined ? found : merge(known.range, found, calls), calls: calls + 1 });
    }
  }
  return new Map([...ranges].map(([tensor, { range }]) => [tensor, range]));
}

export interface Distributions {
  readonly histograms: ReadonlyMap<string, Histogram>;
  /** Of tensors whose values cannot be seen one by one: see `expose`. */
  readonly extremes: ReadonlyMap<string, Range>;
}

/** How the values of each tensor are distributed. Without the tensors that were never computed. */
export async function collectHistograms(
  pass: PassName,
  model: Model,
  tensors: readonly string[],
  rows: Dataset,
  context: PassContext,
): Promise<Distributions> {
  const histograms = new Map<string, Histogram>();
  const found = new Map<string, Range>();
  const { exposed, lists } = exposeElements(model, tensors);
  const steps = walk(rows, 1);
  for await (const outputs of run(exposed.model, steps, context, undefined, 'none')) {
    const { current } = steps;
    for (const [tensor, names] of exposed.outputs) {
      if (!lists.has(tensor)) {
        const range = extremes(pass, tensor, names, outputs, rows, current);
        if (range !== null) found.set(tensor, union(found.get(tensor) ?? range, range));
        continue;
      }
      const value = outputs[names[0] ?? ''];
      if (value?.dtype !== 'float32' || value.data.length === 0) continue;
      const histogram = histograms.get(tensor) ?? new Histogram();
      histograms.set(tensor, histogram);
      if (!histogram.add(value.data)) {
        throw notFinite(pass, tensor, value.data.some(Number.isNaN), rows, current);
      }
    }
  }
  return { histograms, extremes: found };
}

export const union = (a: Range, b: Range): Range => ({ min: Math.min(a.min, b.min), max: Math.max(a.max, b.max) });

/** Every tensor with its elements where they can leave the model, otherwise with its extremes. */
function exposeElements(model: Model, tensors: readonly string[]): { exposed: Exposed; lists: ReadonlySet<string> } {
  const all = expose(model, new Map(tensors.map((tensor) => [tensor, [elements]])));
  if (all.confined.length === 0) return { exposed: all, lists: new Set(tensors) };
  const confined = new Set(all.confined);
  const probes = new Map(tensors.map((tensor) => [tensor, confined.has(tensor) ? EXTREMES : [elements]]));
  return { exposed: expose(model, probes), lists: new Set(tensors.filter((tensor) => !confined.has(tensor))) };
}

/**
 * The outputs of `model` for every call of a walk.
 * @param optimization `none` computes node by node as the model is written, whatever else it computes: see shared.ts
 */
export async function* run(
  model: Model,
  { batches }: Walk,
  context: PassContext,
  name = 'calibrate',
  optimization: 'none' | 'basic' = 'basic',
): AsyncGenerator<Tensors> {
  const file = path.join(context.workDirectory, `${name}.onnx`);
  // The engine maps weights that lie beside the model, and copies those inside it.
  const { files } = await writeModelFile(file, model, { weights: 'external' });
  try {
    for await (const outputs of context.runModel(file, batches, { optimization })) {
      context.signal.throwIfAborted();
      yield outputs;
    }
  } finally {
    for (const each of files) await rm(path.join(context.workDirectory, each), { force: true });
  }
}

/** null: the tensor was not computed in this call, or has no elements. */
function extremes(
  pass: PassName,
  tensor: string,
  names: readonly string[],
  outputs: Tensors,
  rows: Dataset,
  current: Walk['current'],
): Range | null {
  const [min = NaN, max = NaN, sum = NaN] = names.map((name) => {
    const value = outputs[name];
    return value?.dtype === 'float32' ? value.data[0] : undefined;
  });
  if (Number.isNaN(sum)) throw notFinite(pass, tensor, true, rows, current);
  if (min > max) return null;
  if (!Number.isFinite(min) || !Number.isFinite(max)) throw notFinite(pass, tensor, false, rows, current);
  return { min, max };
}

function notFinite(pass: PassName, tensor: string, isNaN: boolean, rows: Dataset, at: Walk['current']): Error {
  const kind = isNaN ? 'NaN' : 'infinite';
  const problem = `the tensor "${tensor}" is ${kind} for ${describeRows(rows, at)}; exclude the nodes that compute with it, or remove the rows`;
  return fail('PASS_NOT_APPLICABLE', { pass, problem });
}
