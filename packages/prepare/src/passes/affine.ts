/**
 * The arithmetic of 8-bit quantization, and nothing else: real = scale · (quantized − zero point).
 *
 * The rules are those ONNX Runtime's kernels assume: the range always contains zero, so that padding and Relu
 * are exact; scales are stored as float32, so every division here is by the float32 value the kernel will multiply with;
 * rounding is half to even as in the ONNX specification (`Math.round` is not). Invariants, tested as properties: zero
 * is represented exactly, and a value inside the range comes back within half a scale. The loops over whole tensors are
 * in `loops.ts`.
 */
import { channelRanges, quantizeInto, walkOf } from './loops.ts';

export const QUANTIZED = {
  int8: { min: -128, max: 127, array: Int8Array },
  uint8: { min: 0, max: 255, array: Uint8Array },
} as const;

export type QuantizedDType = keyof typeof QUANTIZED;
type QuantizedData = Int8Array | Uint8Array;

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

/**
 * Scale and zero point for values in [min, max]. A range of zero width at zero gives scale 1.
 * @param symmetric the zero point is the middle of the type, and the range is the same on both sides of zero;
 *   for int8 the value −128 is then not used, so that no product of two weights overflows what kernels expect
 */
export function affineOf(min: number, max: number, dtype: QuantizedDType, symmetric: boolean): Affine {
  const type = QUANTIZED[dtype];
  const low = Math.min(min, 0);
  const high = Math.max(max, 0);
  if (symmetric) {
    const zeroPoint = dtype === 'int8' ? 0 : 128;
    const scale = storable(Math.max(-low, high) / 127);
    return scale < SMALLEST_SCALE ? { scale: 1, zeroPoint } : { scale, zeroPoint };
  }
  const scale = storable(high / (type.max - type.min) - low / (type.max - type.min));
  if (scale < SMALLEST_SCALE) return { scale: 1, zeroPoint: 0 };
  return { scale, zeroPoint: clamp(roundHalfEven(type.min - low / scale), type.min, type.max) };
}

/** One value, saturating. */
export function quantizeValue(value: number, { scale, zeroPoint }: Affine, dtype: QuantizedDType): number {
  const { min, max } = QUANTIZED[dtype];
  return clamp(roundHalfEven(value / scale) + zeroPoint, min, max);
}

/**
 * Quantize an array in row-major order.
 * @param axis the channel axis, or null for one scale
 * Symmetric for int8 and per channel (kernels want equal zero points), asymmetric for uint8 with one scale.
 * @param atLeast scales are not smaller than these (per channel, or one), see `biasScaleFloor`
 */
export function quantizeArray(
  values: Float32Array,
  dims: readonly number[],
  axis: number | null,
  dtype: QuantizedDType,
  atLeast?: Float64Array,
): QuantizedTensor {
  const { array } = QUANTIZED[dtype];
  const symmetric = dtype === 'int8' || axis !== null;
  const walk = walkOf(dims, axis);
  const { channels } = walk;
  const { mins, maxs } = channelRanges(values, walk);

  const data = new array(values.length);
  const scales = new Float32Array(channels);
  const zeroPoints = new array(channels);
  for (let channel = 0; channel < channels; channel++) {
    let affine = affineOf(mins[channel] ?? 0, maxs[channel] ?? 0, dtype, symmetric);
    const floor = atLeast?.[channel] ?? 0;
    if (affine.scale < floor) affine = { ...affine, scale: storable(floor) };
    scales[channel] = affine.scale;
    zeroPoints[channel] = affine.zeroPoint;
  }
  const { min, max } = QUANTIZED[dtype];
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
