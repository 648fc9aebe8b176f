/** Options of the passes that compute in, or store, fewer bits. */
import { z } from 'zod';
import { calibration } from './calibration.ts';
import { exclude, only } from './exclude.ts';

const PROCESSORS = ['avx2', 'avx512', 'vnni', 'amx', 'arm64', 'host'] as const;

const perChannel = z
  .boolean()
  .optional()
  .describe('One weight scale per output channel instead of one per tensor. Default true.');

const reduceRange = z
  .boolean()
  .optional()
  .describe('Use 7 of the 8 bits of weights, so that CPUs without VNNI cannot saturate. Default false.');

export const dynamicSchema = z.strictObject({
  pass: z.literal('quantize.dynamic'),
  preset: z
    .enum(PROCESSORS)
    .optional()
    .describe('Defaults of the options below for a processor; `host`: the one that builds.'),
  perChannel,
  reduceRange,
  convolutions: z
    .enum(['none', 'dense', 'all'])
    .optional()
    .describe(
      'Which convolutions to quantize: none (default; `quantize.static` is the pass for them), those that are not depthwise, or all.',
    ),
  only,
  exclude,
});

export const staticSchema = z.strictObject({
  pass: z.literal('quantize.static'),
  preset: z
    .enum([...PROCESSORS, 'tensorrt', 'qnn'])
    .optional()
    .describe(
      'Defaults of the options below for a processor (`host`: the one that builds), or the placement an accelerator wants.',
    ),
  format: z
    .enum(['qdq', 'qoperator'])
    .optional()
    .describe(
      '`qdq`: standard operators between conversions (default). `qoperator`: integer operators, most of them ONNX Runtime’s own.',
    ),
  activations: z
    .enum(['uint8', 'int8', 'uint16', 'int16'])
    .optional()
    .describe('Type of quantized activations. Default uint8. Of 16 bits, ONNX Runtime computes in float on a CPU.'),
  weights: z
    .enum(['int8', 'uint8', 'int4', 'uint4'])
    .optional()
    .describe('Type of quantized weights. Default int8. Of 4 bits, ONNX Runtime computes in float on a CPU.'),
  perChannel,
  reduceRange,
  symmetricActivations: z
    .boolean()
    .optional()
    .describe('Ranges of activations are the same on both sides of zero. Default false.'),
  symmetricWeights: z
    .boolean()
    .optional()
    .describe(
      'Ranges of weights are the same on both sides of zero. Default: for int8 and int4, and for uint8 per channel.',
    ),
  calibration,
  biasCorrection: z
    .boolean()
    .optional()
    .describe(
      'Take the mean error of each output channel, measured on calibration rows, back in the biases. Default false.',
    ),
  only,
  exclude,
});
