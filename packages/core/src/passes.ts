/**
 * The passes a recipe can name, as plain data: what the user writes in the config, what the report shows and what the
 * lineage records are the same object. `prepare` gives each its meaning, `passes/` its options.
 */
import type { z } from 'zod';
import type { passSchema } from './passes/schema.ts';

export type { CalibrationMethod, CalibrationSpec } from './passes/calibration.ts';

export type PassSpec = z.infer<typeof passSchema>;
export type PassName = PassSpec['pass'];
export type PassOptions<P extends PassName> = Omit<Extract<PassSpec, { pass: P }>, 'pass'>;

/** Zero the weights that matter least by magnitude. Buys compressed size, not speed. */
export const prune = {
  magnitude: (options: PassOptions<'prune.magnitude'>): PassSpec => ({ pass: 'prune.magnitude', ...options }),
} as const;

/** Compute in 8-bit integers, or store weights in few bits. */
export const quantize = {
  /** Weights ahead of time, activations at run time: no calibration data needed. Good for transformers. */
  dynamic: (options: PassOptions<'quantize.dynamic'> = {}): PassSpec => ({ pass: 'quantize.dynamic', ...options }),
  /** Weights and activations ahead of time, with ranges from calibration data. Good for CNNs. */
  static: (options: PassOptions<'quantize.static'> = {}): PassSpec => ({ pass: 'quantize.static', ...options }),
  /** Weights in 2, 4 or 8 bits, in blocks; activations stay float. For large transformers. */
  weights: (options: PassOptions<'quantize.weights'> = {}): PassSpec => ({ pass: 'quantize.weights', ...options }),
  /** Before static: share outlier channels of activations with the weights (SmoothQuant). Good for transformers. */
  smooth: (options: PassOptions<'quantize.smooth'> = {}): PassSpec => ({ pass: 'quantize.smooth', ...options }),
  /** Before static: balance channels between neighbouring layers. Good for CNNs with one scale per tensor. */
  equalise: (options: PassOptions<'quantize.equalise'> = {}): PassSpec => ({ pass: 'quantize.equalise', ...options }),
} as const;

/** Store, and compute where the engine can, in 16-bit floats. */
export const precision = {
  /** Half precision; inputs and outputs stay float32. Half the size, no faster on a CPU. */
  float16: (options: PassOptions<'precision.float16'> = {}): PassSpec => ({ pass: 'precision.float16', ...options }),
  /** As much in float16 as a tolerance on outputs or a metric allows, found by bisection. Needs calibration data. */
  mixed: (options: PassOptions<'precision.mixed'> = {}): PassSpec => ({ pass: 'precision.mixed', ...options }),
  /** Weights in bfloat16: half the size, the range of float32, 8 significant bits. */
  bfloat16: (options: PassOptions<'precision.bfloat16'> = {}): PassSpec => ({ pass: 'precision.bfloat16', ...options }),
} as const;

/** Fold and fuse what ONNX Runtime can, ahead of time. */
export function optimize(options: PassOptions<'optimize'> = {}): PassSpec {
  return { pass: 'optimize', ...options };
}

/** Evaluate constants, remove what does nothing, merge and fuse neighbours: a smaller graph that computes the same. */
export function simplify(options: PassOptions<'simplify'> = {}): PassSpec {
  return { pass: 'simplify', ...options };
}

/** Put ONNX Runtime's own operators in the place of attention, GELU and residual normalization spelt out. */
export function fuse(options: PassOptions<'fuse'> = {}): PassSpec {
  return { pass: 'fuse', ...options };
}

/** Let axis 0 vary in a model that was exported with a fixed batch of one. */
export const batching = {
  dynamic: (): PassSpec => ({ pass: 'batch.dynamic' }),
} as const;
