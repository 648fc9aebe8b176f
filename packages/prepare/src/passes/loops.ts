/**
 * The loops that see every weight: a model has 10^8 of them and more. No closure and no call per element, doubles
 * throughout, and the rounding trick of IEEE arithmetic instead of branches; `affine.ts` says what the numbers mean.
 *
 * A tensor is walked as [outer, channels, inner], row-major, where `channels` is the axis that has its own parameters.
 */

export interface Walk {
  readonly outer: number;
  readonly channels: number;
  readonly inner: number;
}

/** @param axis the channel axis, or null for one channel that is everything */
export function walkOf(dims: readonly number[], axis: number | null): Walk {
  const product = (part: readonly number[]): number => part.reduce((all, dim) => all * dim, 1);
  if (axis === null) return { outer: 1, channels: 1, inner: product(dims) };
  return { outer: product(dims.slice(0, axis)), channels: dims[axis] ?? 1, inner: product(dims.slice(axis + 1)) };
}

/** Smallest and largest element of each channel, zero included. NaN is passed over. */
export function channelRanges(
  values: Float32Array,
  { outer, channels, inner }: Walk,
): { readonly mins: Float64Array; readonly maxs: Float64Array } {
  const mins = new Float64Array(channels);
  const maxs = new Float64Array(channels);
  let at = 0;
  if (inner === 1) {
    // The channel changes with every element, so nothing can be kept in registers.
    for (let o = 0; o < outer; o++) {
      for (let channel = 0; channel < channels; channel++, at++) {
        const value = values[at] ?? 0;
        if (value < (mins[channel] ?? 0)) mins[channel] = value;
        if (value > (maxs[channel] ?? 0)) maxs[channel] = value;
      }
    }
    return { mins, maxs };
  }
  for (let o = 0; o < outer; o++) {
    for (let channel = 0; channel < channels; channel++) {
      let min = mins[channel] ?? 0;
      let max = maxs[channel] ?? 0;
      for (const end = at + inner; at < end; at++) {
        const value = values[at] ?? 0;
        if (value < min) min = value;
        if (value > max) max = value;
      }
      mins[channel] = min;
      maxs[channel] = max;
    }
  }
  return { mins, maxs };
}

/** Adding and subtracting it leaves a double below 2^51 rounded to an integer, half to even: the rounding mode of IEEE 754. */
const ROUNDER = 1.5 * 2 ** 52;

/** out = clamp(round half even(value / scale) + zero point), with the parameters of the element's channel. */
export function quantizeInto(
  out: { [index: number]: number },
  values: Float32Array,
  { outer, channels, inner }: Walk,
  scales: Float32Array,
  zeroPoints: ArrayLike<number>,
  min: number,
  max: number,
): void {
  let at = 0;
  if (inner === 1) {
    for (let o = 0; o < outer; o++) {
      for (let channel = 0; channel < channels; channel++, at++) {
        const level = (values[at] ?? 0) / (scales[channel] ?? 1) + ROUNDER - ROUNDER + (zeroPoints[channel] ?? 0);
        out[at] = level < min ? min : level > max ? max : level;
      }
    }
    return;
  }
  for (let o = 0; o < outer; o++) {
    for (let channel = 0; channel < channels; channel++) {
      const scale = scales[channel] ?? 1;
      const zeroPoint = zeroPoints[channel] ?? 0;
      for (const end = at + inner; at < end; at++) {
        const level = (values[at] ?? 0) / scale + ROUNDER - ROUNDER + zeroPoint;
        out[at] = level < min ? min : level > max ? max : level;
      }
    }
  }
}

/** True when no element is NaN or infinite: zero times those is not zero. */
export function allFinite(values: ArrayLike<number>): boolean {
  let check = 0;
  for (let at = 0; at < values.length; at++) check += (values[at] ?? 0) * 0;
  return check === 0;
}
