/** Slices of requests into the inputs of one call, and its outputs back into those of each slice. */
import { concatRows, rows, type Tensor, type Tensors } from '@slipway/core';
import type { Slice } from './job.ts';

export function stackInputs(slices: readonly Slice[]): Tensors {
  const [first] = slices;
  if (slices.length === 1 && first !== undefined && first.end - first.start === first.job.rows) return first.job.inputs;
  const stacked: Record<string, Tensor> = {};
  for (const name of Object.keys(first?.job.inputs ?? {})) {
    stacked[name] = concatRows(
      slices.map(({ job, start, end }) => {
        const whole = job.inputs[name] as Tensor;
        return start === 0 && end === job.rows ? whole : rows(whole, start, end);
      }),
    );
  }
  return stacked;
}

/** True when every output has `total` rows: only then does row i of the output belong to row i of the input. */
export function hasRows(outputs: Tensors, total: number): boolean {
  for (const name in outputs) if (outputs[name]?.shape[0] !== total) return false;
  return true;
}

export function outputRows(outputs: Tensors, start: number, end: number): Tensors {
  const part: Record<string, Tensor> = {};
  for (const name in outputs) part[name] = rows(outputs[name] as Tensor, start, end);
  return part;
}

export function joinParts(parts: readonly { readonly start: number; readonly outputs: Tensors }[]): Tensors {
  const [first] = parts;
  if (parts.length === 1 && first !== undefined) return first.outputs;
  const ordered = [...parts].sort((a, b) => a.start - b.start);
  const joined: Record<string, Tensor> = {};
  for (const name of Object.keys(first?.outputs ?? {})) {
    joined[name] = concatRows(ordered.map((part) => part.outputs[name] as Tensor));
  }
  return joined;
}
