/**
 * The arithmetic of quantization to 4, 8 or 16 bits, and nothing else: real = scale · (quantized − zero point).
 *
 * The rules are those ONNX Runtime's kernels assume: the range always contains zero, so that padding and Relu
 * are exact; scales are stored as float32, so every division here is by the float32 value the kernel will multiply with;
 * rounding is half to even as in the ONNX specification (`Math.round` is not). Invariants, tested as properties: zero
 * is represented exactly, and a value inside the range comes back within half a scale. The loops over whole tensors are
 * in `loops.ts`.
 */
import { channelRanges, quantizeInto, walkOf } from './loops.ts';

/**
 * What a type holds, and how it is used when the range is the same on both sides of zero: `levels` steps from the zero
 * point to the largest magnitude. 8 and 16 bits leave out one value so that negation is exact and no product of two
 * weights overflows what kernels expect; of 4 bits no value can be spared, and half a level at either end is no error.
 * Elements of 4 bits are one per array element here; they are packed when stored.
 */
export const QUANTIZED = {
  int4: { bits: 4, min: -8, max: 7, middle: 0, levels: 7.5, array: Int8Array },
  uint4: { bits: 4, min: 0, max: 15, middle: 8, levels: 7.5, array: Uint8Array },
  int8: { bits: 8, min: -128, max: 127, middle: 0, levels: 127, array: Int8Array },
  uint8: { bits: 8, min: 0, max: 255, middle: 128, levels: 127, array: Uint8Array },
  int16: { bits: 16, min: -32768, max: 32767, middle: 0, levels: 32767, array: Int16Array },
  uint16: { bits: 16, min: 0, max: 65535, middle: 32768, levels: 32767, array: Uint16Array },
} as const;

/** 7 of the 8 bits: the sum of two products with 8-bit activations then fits the 16 bits in which AVX2 adds them. */
const REDUCED = {
  int8: { min: -64, max: 64, middle: 0, levels: 64 },
  uint8: { min: 0, max: 127, middle: 64, levels: 63 },
} as const;

export type QuantizedDType = keyof typeof QUANTIZED;
type QuantizedData = Int8Array | Uint8Array | Int16Array | Uint16Array;

/** The values of a type that are used. */
interface Grid {
  readonly min: number;
  readonly max: number;
  readonly middle: number;
  readonly levels: number;
}

export interface Affine {
  /** Exactly representable in float32, > 0. */
  readonly scale: number;
  readonly zeroPoint: number;
}

/** One scale per channel along `axis`; a single one when `axis` is null. */
export interface QuantizedTensor {
  readonly dtype: QuantizedDType;
  readonly axis: number | null;
  readonly data: QuantizedData;
  readonly scales: Float32Array;
  readonly zeroPoints: QuantizedData;
}

/** The smallest normal float32: below it a scale loses its precision, and the values are zero for every purpose. */
const SMALLEST_SCALE = 2 ** -126;

const LARGEST_FLOAT32 = 3.4028234663852886e38;

/** Round to the nearest integer, ties to the even one. */
export function roundHalfEven(value: number): number {
  const low = Math.floor(value);
  const rest = value - low;
  if (rest !== 0.5) return rest < 0.5 ? low : low + 1;
  return low % 2 === 0 ? low : low + 1;
}

const clamp = (value: number, min: number, max: number): number => (value < min ? min : value > max ? max : value);

/** A scale as the float32 that will be stored, never infinite and never denormal. */
const storable = (scale: number): number => Math.fround(Math.min(scale, LARGEST_FLOAT32));

function gridOf(dtype: QuantizedDType, reduceRange: boolean): Grid {
  return reduceRange && (dtype === 'int8' || dtype === 'uint8') ? REDUCED[dtype] : QUANTIZED[dtype];
}

/**
 * Scale and zero point for values in [min, max]. A range of zero width at zero gives scale 1.
 * @param symmetric the zero point is the middle of the type, and the range is the same on both sides of zero
 * @param reduceRange use 7 of 8 bits; other widths are not reduced
 */
export function affineOf(
  min: number,
  max: number,
  dtype: QuantizedDType,
  symmetric: boolean,
  reduceRange = false,
): Affine {
  const grid = gridOf(dtype, reduceRange);
  const low = Math.min(min, 0);
  const high = Math.max(max, 0);
  if (symmetric) {
    const scale = storable(Math.max(-low, high) / grid.levels);
    return scale < SMALLEST_SCALE ? { scale: 1, zeroPoint: grid.middle } : { scale, zeroPoint: grid.middle };
  }
  const width = grid.max - grid.min;
  const scale = storable(high / width - low / width);
  if (scale < SMALLEST_SCALE) return { scale: 1, zeroPoint: 0 };
  return { scale, zeroPoint: clamp(roundHalfEven(grid.min - low / scale), grid.min, grid.max) };
}

/** One value, saturating. */
export function quantizeValue(value: number, { scale, zeroPoint }: Affine, dtype: QuantizedDType): number {
  const { min, max } = QUANTIZED[dtype];
  return clamp(roundHalfEven(value / scale) + zeroPoint, min, max);
}

export interface ArrayOptions {
  /**
   * The same range on both sides of zero, and so the same zero point for every channel. Default: for signed types, and
   * for 8 bits per channel, because the kernels want equal zero points.
   */
  readonly symmetric?: boolean;
  readonly reduceRange?: boolean;
  /** Scales are not smaller than these (per channel, or one), see `biasScaleFloor`. */
  readonly atLeast?: Float64Array | null;
}

/**
 * Quantize an array in row-major order.
 * @param axis the channel axis, or null for one scale
 */
export function quantizeArray(
  values: Float32Array,
  dims: readonly number[],
  axis: number | null,
  dtype: QuantizedDType,
  { symmetric, reduceRange = false, atLeast = null }: ArrayOptions = {},
): QuantizedTensor {
  const { array } = QUANTIZED[dtype];
  const isSymmetric = symmetric ?? (!dtype.startsWith('u') || (axis !== null && dtype !== 'uint4'));
  const walk = walkOf(dims, axis);
  const { channels } = walk;
  const { mins, maxs } = channelRanges(values, walk);

  const data = new array(values.length);
  const scales = new Float32Array(channels);
  const zeroPoints = new array(channels);
  for (let channel = 0; channel < channels; channel++) {
    let affine = affineOf(mins[channel] ?? 0, maxs[channel] ?? 0, dtype, isSymmetric, reduceRange);
    const floor = atLeast?.[channel] ?? 0;
    if (affine.scale < floor) affine = { ...affine, scale: storable(floor) };
    scales[channel] = affine.scale;
    zeroPoints[channel] = affine.zeroPoint;
  }
  const { min, max } = gridOf(dtype, reduceRange);
  quantizeInto(data, values, walk, scales, zeroPoints, min, max);
  return { dtype, axis, data, scales, zeroPoints };
}

/** What the kernel will compute with, for tests and error figures. */
export function dequantizeArray(quantized: QuantizedTensor, dims: readonly number[]): Float32Array {
  const channelOf = channelIndex(dims, quantized.axis);
  return Float32Array.from(quantized.data, (value, i) => {
    const channel = channelOf(i);
    return (value - (quantized.zeroPoints[channel] ?? 0)) * (quantized.scales[channel] ?? 0);
  });
}

/**
 * The smallest weight scales with which the bias still fits 32 bits: a bias is stored as bias / (input scale · weight
 * scale), and a tiny weight scale would saturate it. Per channel, or one when the weight has one scale.
 */
export function biasScaleFloor(bias: Float32Array, inputScale: number, channels: number): Float64Array {
  const floors = new Float64Array(channels);
  for (let i = 0; i < bias.length; i++) {
    const channel = channels === 1 ? 0 : i;
    // Twice |b| over the width of int32, and a little more for the rounding of both scales to float32.
    const floor = (1.0001 * 2 * Math.abs(bias[i] ?? 0)) / (2 ** 32 - 2) / inputScale;
    if (floor > (floors[channel] ?? 0)) floors[channel] = floor;
  }
  return floors;
}

/** A bias in 32 bits, zero point 0, one scale per channel or one: input scale · weight scale. */
export function quantizeBias(
  bias: Float32Array,
  inputScale: number,
  weightScales: Float32Array,
): { readonly data: Int32Array; readonly scales: Float32Array } {
  const scales = Float32Array.from(weightScales, (scale) => Math.max(scale * inputScale, SMALLEST_SCALE));
  const data = Int32Array.from(bias, (value, i) => {
    const scale = (weightScales.length === 1 ? weightScales[0] : weightScales[i]) ?? 1;
    return clamp(roundHalfEven(value / (scale * inputScale)), -(2 ** 31), 2 ** 31 - 1);
  });
  return { data, scales };
}

/** Flat index → index along `axis`. */
function channelIndex(dims: readonly number[], axis: number | null): (index: number) => number {
  if (axis === null) return () => 0;
  const size = dims[axis] ?? 1;
  const inner = dims.slice(axis + 1).reduce((product, dim) => product * dim, 1);
  return (index) => Math.floor(index / inner) % size;
}
