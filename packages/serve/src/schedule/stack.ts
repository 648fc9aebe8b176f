/** Slices of requests into the inputs of one call, and its outputs back into those of each slice. */
import { concatRows, rows, type Tensor, type Tensors } from '@slipway/core';
import type { Slice } from './job.ts';

/**
 * The parts of a call, as views: whoever brings them to the engine writes them one after the other.
 * @param fill rows to add behind: copies of the last one, which the model can compute on like on any other
 */
export function partsOf(slices: readonly Slice[], fill = 0): Tensors[] {
  const parts = slices.map(({ job, start, end }) => {
    return start === 0 && end === job.rows ? job.inputs : rowsOf(job.inputs, start, end);
  });
  const last = slices.at(-1);
  if (fill > 0 && last !== undefined) {
    const row = rowsOf(last.job.inputs, last.end - 1, last.end);
    for (let added = 0; added < fill; added++) parts.push(row);
  }
  return parts;
}

/** True when every output has `total` rows: only then does row i of the output belong to row i of the input. */
export function hasRows(outputs: Tensors, total: number): boolean {
  for (const name in outputs) if (outputs[name]?.shape[0] !== total) return false;
  return true;
}

/** Rows of all tensors, as views. */
export function rowsOf(tensors: Tensors, start: number, end: number): Tensors {
  const part: Record<string, Tensor> = {};
  for (const name in tensors) part[name] = rows(tensors[name] as Tensor, start, end);
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
