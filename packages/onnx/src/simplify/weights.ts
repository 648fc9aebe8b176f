/** Constant operands of fusions: read as doubles, computed once, rounded once, put back. */
import type { Initializer } from '../ir/initializer.ts';
import { bytesOf } from '@slipway/core';
import { createInitializer } from '../ir/initializer.ts';
import { byteLengthOf, countOf, toTensor } from '../ir/elements.ts';
import type { OnnxDType } from '../ir/dtype.ts';
import type { Site } from './rewrite.ts';

/** Types in which weights are fused. Half precision is not: its engine kernels round elsewhere. */
export type WideDType = 'float32' | 'float64';
export type WideData = Float32Array | Float64Array;

export function isWide(constant: Initializer | undefined): constant is Initializer & { readonly dtype: WideDType } {
  return constant?.dtype === 'float32' || constant?.dtype === 'float64';
}

/** The elements; shared with the model, so not to be written to. */
export function wideOf(constant: Initializer): WideData {
  return toTensor(constant).data as WideData;
}

/**
 * The value for each of `channels` of a constant that is broadcast to `rank` axes and differs along `axis` at most;
 * undefined when it differs along others, or would make the result larger.
 */
export function perChannel(
  constant: Initializer,
  rank: number,
  axis: number,
  channels: number,
): Float64Array | undefined {
  if (!isWide(constant) || constant.dims.length > rank) return undefined;
  const offset = rank - constant.dims.length;
  const fits = constant.dims.every((dim, index) => dim === 1 || (index + offset === axis && dim === channels));
  if (!fits) return undefined;
  const data = wideOf(constant);
  return Float64Array.from({ length: channels }, (_, channel) => data[data.length === 1 ? 0 : channel] ?? 0);
}

/** A constant with one value per channel: the vector an operator takes as bias, scale, mean. */
export function vectorOf(constant: Initializer | undefined, length: number): Float64Array | undefined {
  const fits = isWide(constant) && constant.dims.length === 1 && countOf(constant) === length;
  return fits ? new Float64Array(wideOf(constant)) : undefined;
}

/** True when the elements are all finite: weights fused with others must not turn infinities into NaN. */
export function isFinite64(values: ArrayLike<number>): boolean {
  for (let index = 0; index < values.length; index++) if (!Number.isFinite(values[index])) return false;
  return true;
}

export function narrowed(dtype: WideDType, values: Float64Array): WideData {
  return dtype === 'float32' ? new Float32Array(values) : values;
}

/** Elements scaled in blocks of `size`, each by the factor of its index; undefined when one is not finite then. */
export function scaledBy(source: WideData, size: number, factor: (block: number) => number): WideData | undefined {
  const result = source instanceof Float32Array ? new Float32Array(source.length) : new Float64Array(source.length);
  return scale(source, result, size, factor) ? result : undefined;
}

/** One pass over memory, and the hottest loop of all rewriting. Zero times a number that is not finite is not zero. */
function scale(source: WideData, result: WideData, size: number, factor: (block: number) => number): boolean {
  let check = 0;
  for (let start = 0, block = 0; start < result.length; start += size, block++) {
    const by = factor(block);
    const end = Math.min(start + size, result.length);
    for (let index = start; index < end; index++) {
      result[index] = (source[index] ?? 0) * by;
      check += (result[index] ?? 0) * 0;
    }
  }
  return check === 0;
}

/**
 * Put a computed constant where `replaces` was read: under its name when nothing else reads that, under a new name like
 * `base` otherwise.
 */
export function putConstant(
  site: Site,
  replaces: string | undefined,
  base: string,
  value: { readonly dtype: OnnxDType; readonly dims: readonly number[]; readonly data: WideData },
): string {
  const own = replaces !== undefined && site.editor.initializer(replaces) !== undefined;
  const name = own && site.soleReader(replaces) !== undefined ? replaces : site.editor.uniqueName(base);
  site.editor.setInitializer(createInitializer(name, value.dtype, value.dims, bytesOf(value.data)));
  return name;
}

/** True when a changed copy of this weight would stay beside the original and make the model notably larger. */
export function wouldDuplicate(site: Site, name: string, weight: Initializer): boolean {
  return site.grows(byteLengthOf(weight), [name]);
}
