/**
 * Output steps on whole tensors [rows, …]. They give what `transforms.fuse` computes inside a model: the same axes, the same
 * treatment of zero vectors and of ties; calculated in double precision and rounded once.
 */
import type { Tensor } from '@slipway/core';
import { type FloatTensor, floatTensor, lastAxis, numbersOf, rowSize } from './floats.ts';

/** Of the last axis. */
export function softmax(tensor: FloatTensor): FloatTensor {
  return alongLastAxis(tensor, (from, into) => {
    let most = -Infinity;
    for (const value of from) if (value > most || Number.isNaN(value)) most = value;
    let sum = 0;
    from.forEach((value, i) => (sum += into[i] = Math.exp(value - most)));
    for (let i = 0; i < into.length; i++) into[i] = (into[i] as number) / sum;
  });
}

export function sigmoid(tensor: FloatTensor): FloatTensor {
  const values = Float64Array.from(numbersOf(tensor), (value) => 1 / (1 + Math.exp(-value)));
  return floatTensor(tensor.dtype, tensor.shape, values);
}

/** What stands for the square of a length of zero, so that a zero vector stays one. */
const TINY = 1e-12;

/** To length 1, along the last axis. */
export function l2Normalize(tensor: FloatTensor): FloatTensor {
  return alongLastAxis(tensor, (from, into) => {
    let squares = 0;
    for (const value of from) squares += value * value;
    const length = Math.sqrt(Math.max(squares, TINY));
    from.forEach((value, i) => (into[i] = value / length));
  });
}

function alongLastAxis(
  tensor: FloatTensor,
  write: (from: Float32Array | Float64Array, into: Float64Array) => void,
): FloatTensor {
  const given = numbersOf(tensor);
  const result = new Float64Array(given.length);
  const size = lastAxis(tensor);
  for (let at = 0; size > 0 && at < given.length; at += size) {
    write(given.subarray(at, at + size), result.subarray(at, at + size));
  }
  return floatTensor(tensor.dtype, tensor.shape, result);
}

/**
 * The mean of the token vectors: [rows, tokens, width] to [rows, width].
 * @param mask [rows, tokens]: 0 for tokens that do not count; tokens that it does not reach do not either. null: all count
 */
export function meanPool(tensor: FloatTensor, mask: Tensor | null): FloatTensor {
  const [rows = 0, tokens = 0, width = 0] = tensor.shape;
  const given = numbersOf(tensor);
  const result = new Float64Array(rows * width);
  const masked = mask === null ? 0 : rowSize(mask);
  for (let row = 0; row < rows; row++) {
    let count = 0;
    for (let token = 0; token < tokens; token++) {
      if (mask !== null && (token >= masked || Number(mask.data[row * masked + token]) === 0)) continue;
      count++;
      const at = (row * tokens + token) * width;
      for (let i = 0; i < width; i++) {
        result[row * width + i] = (result[row * width + i] as number) + (given[at + i] as number);
      }
    }
    for (let i = 0; i < width; i++) result[row * width + i] = (result[row * width + i] as number) / Math.max(1, count);
  }
  return floatTensor(tensor.dtype, [rows, width], result);
}

/** The best classes of each row [rows, classes], the best first; of equal scores the lower class. */
export function classify(
  tensor: FloatTensor,
  top: number,
  labels: readonly string[] | null,
): { readonly label: Tensor; readonly score: Tensor } {
  const [rows = 0, classes = 0] = tensor.shape;
  const given = numbersOf(tensor);
  const taken = Math.min(top, classes);
  const best: number[] = [];
  const scores = new Float64Array(rows * taken);
  for (let row = 0; row < rows; row++) {
    const of = given.subarray(row * classes, (row + 1) * classes);
    const order =
      taken === 1 ? [argmax(of)] : [...of.keys()].sort((a, b) => ranks(of[a] as number, of[b] as number) || a - b);
    for (let place = 0; place < taken; place++) {
      const index = order[place] ?? 0;
      best.push(index);
      scores[row * taken + place] = of[index] ?? NaN;
    }
  }
  const shape = top === 1 ? [rows] : [rows, taken];
  return {
    label:
      labels === null
        ? { dtype: 'int64', shape, data: BigInt64Array.from(best, BigInt) }
        : { dtype: 'string', shape, data: best.map((index) => labels[index] ?? '') },
    score: floatTensor(tensor.dtype, shape, scores),
  };
}

function argmax(of: Float32Array | Float64Array): number {
  let best = 0;
  for (let i = 1; i < of.length; i++) if (ranks(of[i] as number, of[best] as number) < 0) best = i;
  return best;
}

/** Below 0 when `a` goes before `b`; what is no number goes last. */
function ranks(a: number, b: number): number {
  if (Number.isNaN(a)) return Number.isNaN(b) ? 0 : 1;
  return Number.isNaN(b) || a > b ? -1 : a < b ? 1 : 0;
}
