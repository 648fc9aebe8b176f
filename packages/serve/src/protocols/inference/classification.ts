/**
 * The classification extension: instead of an output its k highest elements, each as text `value:index` or, when the model
 * names its classes, `value:index:name`. Values have six decimals, as Triton writes them (std::to_string).
 * https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_classification.md
 */
import { fail, float16ToNumber, type Tensor } from '@slipway/core';

/**
 * BYTES [rows, k], or [k] for a model whose first axis is not rows. Equal values keep the order of their indices; NaN counts as
 * less than everything. Fewer than `k` when there are not as many elements.
 * @throws REQUEST_MALFORMED for what has no order
 */
export function classify(
  tensor: Tensor,
  k: number,
  { batched, classes, name }: { batched: boolean; classes: readonly string[] | null; name: string },
): Tensor {
  if (tensor.dtype === 'string') {
    throw fail('REQUEST_MALFORMED', {
      problem: `output "${name}": classification needs numbers, and this one is BYTES`,
    });
  }
  const rows = batched ? (tensor.shape[0] ?? 1) : 1;
  const size = rows === 0 ? 0 : tensor.data.length / rows;
  const count = Math.min(k, size);
  const half = tensor.dtype === 'float16';
  const whole = !half && tensor.dtype !== 'float32' && tensor.dtype !== 'float64';
  const data: string[] = [];
  for (let row = 0; row < rows; row++) {
    const start = row * size;
    const at = (index: number): number | bigint => {
      const value = tensor.data[start + index] as number | bigint;
      return half ? float16ToNumber(Number(value)) : value;
    };
    for (const index of highest(at, size, count)) {
      const value = at(index);
      const text = whole ? String(value) : decimal(Number(value));
      const label = classes?.[index];
      data.push(label === undefined || label === '' ? `${text}:${index}` : `${text}:${index}:${label}`);
    }
  }
  return { dtype: 'string', shape: batched ? [rows, count] : [count], data };
}

function decimal(value: number): string {
  if (Number.isFinite(value)) return value.toFixed(6);
  return Number.isNaN(value) ? 'nan' : value > 0 ? 'inf' : '-inf';
}

/** Up to so many places are kept in order while passing over the elements once; for more it pays to sort. */
const FEW = 32;

/** Indices of the `count` highest, highest first. */
function highest(at: (index: number) => number | bigint, size: number, count: number): readonly number[] {
  if (count > FEW) {
    const all = Array.from({ length: size }, (_, index) => index);
    all.sort((a, b) => (above(at(a), at(b)) ? -1 : above(at(b), at(a)) ? 1 : a - b));
    return all.slice(0, count);
  }
  const best: number[] = [];
  for (let index = 0; count > 0 && index < size; index++) {
    if (best.length === count && !above(at(index), at(best[count - 1] as number))) continue;
    let place = best.length;
    while (place > 0 && above(at(index), at(best[place - 1] as number))) place--;
    best.splice(place, 0, index);
    if (best.length > count) best.pop();
  }
  return best;
}

/** Everything is above NaN but NaN. */
function above(a: number | bigint, b: number | bigint): boolean {
  return a > b || (typeof b === 'number' && Number.isNaN(b) && !(typeof a === 'number' && Number.isNaN(a)));
}
