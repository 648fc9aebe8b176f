/**
 * Every pass with options that lead it through different code, and how far the answers may be from those of the model it is
 * given. Exhaustive over the names of passes: a new pass does not compile until it says what it promises.
 *
 * Bounds hold for graphs in which a small change of a value changes the answers by little; where a graph rounds, compares
 * or sorts, a lossy pass must still give finite answers of the same types and shapes.
 */
import type { PassName, PassSpec } from '@slipway/core';

export type Promised =
  /** Bit for bit, as the engine computes the graph when it is told to leave it as it is. */
  | { readonly kind: 'exact' }
  /** Within the rounding of float32: sums in another order, weights multiplied ahead. Relative to the largest answer. */
  | { readonly kind: 'rounding'; readonly relative: number }
  /** The signal of the answers against the error, dB. */
  | { readonly kind: 'noise'; readonly decibels: number }
  /** The answers change by intention: they are finite, and of the same types and shapes. */
  | { readonly kind: 'any' };

export interface Option<P extends PassName = PassName> {
  readonly spec: Extract<PassSpec, { pass: P }>;
  readonly promised: Promised;
}

const exact: Promised = { kind: 'exact' };
const rounding: Promised = { kind: 'rounding', relative: 1e-3 };
const any: Promised = { kind: 'any' };
const noise = (decibels: number): Promised => ({ kind: 'noise', decibels });

/**
 * Eight bits lose about 40 dB at one product; a chain of products with functions that sharpen differences in between
 * (divisions, powers, normalizations) adds that up and multiplies it.
 */
const EIGHT_BITS = noise(12);
/** Four bits in blocks of weights that have no outliers lose about 20 dB at a product. */
const FOUR_BITS = noise(4);

const OPTIONS = {
  'prune.magnitude': [
    { spec: { pass: 'prune.magnitude', rule: 'ratio', ratio: 0.3 }, promised: any },
    { spec: { pass: 'prune.magnitude', rule: 'nm', n: 2, m: 4 }, promised: any },
    { spec: { pass: 'prune.magnitude', rule: 'mean', scope: 'global', block: [2, 2] }, promised: any },
  ],
  'quantize.dynamic': [
    { spec: { pass: 'quantize.dynamic' }, promised: EIGHT_BITS },
    {
      spec: { pass: 'quantize.dynamic', perChannel: false, reduceRange: true, convolutions: 'all' },
      promised: EIGHT_BITS,
    },
  ],
  'quantize.static': [
    { spec: { pass: 'quantize.static' }, promised: EIGHT_BITS },
    { spec: { pass: 'quantize.static', format: 'qoperator' }, promised: EIGHT_BITS },
    { spec: { pass: 'quantize.static', preset: 'tensorrt' }, promised: EIGHT_BITS },
    {
      spec: {
        pass: 'quantize.static',
        activations: 'int8',
        perChannel: false,
        calibration: 'percentile',
        biasCorrection: true,
      },
      promised: EIGHT_BITS,
    },
    { spec: { pass: 'quantize.static', preset: 'qnn', weights: 'uint8' }, promised: EIGHT_BITS },
    {
      spec: { pass: 'quantize.static', activations: 'uint16', weights: 'int4', calibration: 'ema' },
      promised: FOUR_BITS,
    },
  ],
  'quantize.weights': [
    { spec: { pass: 'quantize.weights' }, promised: FOUR_BITS },
    { spec: { pass: 'quantize.weights', bits: 2, format: 'dequantize', algorithm: 'hqq' }, promised: any },
    {
      spec: { pass: 'quantize.weights', bits: 8, format: 'dequantize', symmetric: true, blockSize: 16 },
      promised: EIGHT_BITS,
    },
    { spec: { pass: 'quantize.weights', bits: 8, algorithm: 'gptq', accuracyLevel: 0 }, promised: EIGHT_BITS },
    { spec: { pass: 'quantize.weights', algorithm: 'awq', accuracyLevel: 'search' }, promised: FOUR_BITS },
  ],
  'quantize.smooth': [
    { spec: { pass: 'quantize.smooth' }, promised: rounding },
    { spec: { pass: 'quantize.smooth', alpha: 0.5 }, promised: rounding },
  ],
  'quantize.equalise': [{ spec: { pass: 'quantize.equalise' }, promised: rounding }],
  optimize: [
    { spec: { pass: 'optimize' }, promised: rounding },
    { spec: { pass: 'optimize', level: 'extended' }, promised: rounding },
    { spec: { pass: 'optimize', level: 'all' }, promised: rounding },
  ],
  'batch.dynamic': [{ spec: { pass: 'batch.dynamic' }, promised: rounding }],
  simplify: [
    { spec: { pass: 'simplify', exact: true }, promised: exact },
    { spec: { pass: 'simplify' }, promised: rounding },
    { spec: { pass: 'simplify', maxFoldedBytes: 2 ** 30 }, promised: rounding },
  ],
  fuse: [{ spec: { pass: 'fuse' }, promised: rounding }],
  'precision.float16': [
    { spec: { pass: 'precision.float16' }, promised: noise(30) },
    { spec: { pass: 'precision.float16', keepIo: false }, promised: noise(30) },
  ],
  // 8 significant bits of weights only.
  'precision.bfloat16': [{ spec: { pass: 'precision.bfloat16' }, promised: noise(25) }],
  'precision.mixed': [{ spec: { pass: 'precision.mixed', rows: 4, maxRuns: 6 }, promised: noise(30) }],
} as const satisfies { readonly [P in PassName]: readonly Option<P>[] };

export const ALL_OPTIONS: readonly Option[] = Object.values(OPTIONS).flat();

export const title = ({ pass, ...options }: PassSpec): string => `${pass} ${JSON.stringify(options)}`;
