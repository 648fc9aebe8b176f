/** Weights whose codes are chosen by what their products are given: one tensor of activations after the other. */
import type { PassName } from '@slipway/core';
import type { Initializer, Model } from '@slipway/onnx';
import type { PassContext } from '../../pass.ts';
import { observe } from './activations.ts';
import { awq } from './awq.ts';
import { type Blocks, dequantize } from './blocks.ts';
import { gptq } from './gptq.ts';
import { outputError } from './gram.ts';
import type { Target } from './judge.ts';
import { readGrid } from './quantize.ts';
import { NEEDS_ACTIVATIONS, type Settings } from './settings.ts';

export interface Chosen {
  readonly target: Target;
  readonly blocks: Blocks;
  /** Relative, of what the product computes over the calibration rows. */
  readonly error: number;
  /** What the input of the product is to be divided by, one per column; null: nothing. */
  readonly scales: Float32Array | null;
}

/** Targets whose algorithm needs activations, and those of them that cannot have them. */
export function splitByNeed(targets: readonly Target[]): {
  readonly observed: readonly Target[];
  /** Read by products with different inputs, of which no one can speak for the others. */
  readonly ambiguous: ReadonlySet<Target>;
} {
  const observed = targets.filter(({ settings }) => NEEDS_ACTIVATIONS.has(settings.algorithm));
  const inputs = new Map<Initializer, Set<string>>();
  for (const { weight, node } of observed) {
    const known = inputs.get(weight) ?? new Set();
    inputs.set(weight, known.add(node.inputs[0] ?? ''));
  }
  const ambiguous = new Set(observed.filter(({ weight }) => (inputs.get(weight)?.size ?? 0) > 1));
  return { observed: observed.filter((target) => !ambiguous.has(target)), ambiguous };
}

/** @param chosen called once per weight and form, in the order of the graph */
export async function chooseByActivations(
  pass: PassName,
  model: Model,
  targets: readonly Target[],
  settings: Settings,
  context: PassContext,
  chosen: (choice: Chosen) => void,
): Promise<void> {
  const byTensor = Map.groupBy(targets, ({ node, grid }) => `${grid.columns} ${node.inputs[0] ?? ''}`);
  const tensors = [...byTensor].map(([key, [first]]) => ({
    key,
    tensor: first?.node.inputs[0] ?? '',
    columns: first?.grid.columns ?? 0,
  }));
  await observe(pass, model, tensors, context, (tensor, gram) => {
    const all = byTensor.get(tensors.find((each) => each === tensor)?.key ?? '') ?? [];
    const distinct = [...new Map(all.map((target) => [target.weight, target])).values()];
    for (const target of distinct.filter(({ settings: { algorithm } }) => algorithm === 'gptq')) {
      context.signal.throwIfAborted();
      const values = readGrid(pass, target);
      const { grid } = target;
      const blocks = gptq(values, grid, gram, settings);
      const error = outputError(values, dequantize(blocks), grid.rows, grid.columns, gram);
      chosen({ target, blocks, error, scales: null });
    }
    const scaled = distinct.filter(({ settings: { algorithm } }) => algorithm === 'awq');
    if (scaled.length > 0) chooseScaled(pass, scaled, gram, chosen);
  });
}

function chooseScaled(
  pass: PassName,
  targets: readonly Target[],
  gram: Float64Array,
  chosen: (choice: Chosen) => void,
): void {
  const members = targets.map((target) => ({ values: readGrid(pass, target), grid: target.grid }));
  const { blocks, scales } = awq(members, gram);
  targets.forEach((target, i) => {
    const own = blocks[i];
    const member = members[i];
    if (own === undefined || member === undefined) return;
    const { columns, rows } = target.grid;
    const approximation = dequantize(own);
    if (scales !== null) {
      for (let k = 0; k < approximation.length; k++) {
        approximation[k] = (approximation[k] ?? 0) / (scales[k % columns] ?? 1);
      }
    }
    const error = outputError(member.values, approximation, rows, columns, gram);
    chosen({ target, blocks: own, error, scales });
  });
}
