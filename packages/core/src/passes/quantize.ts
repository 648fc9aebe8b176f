/** Options of the passes that compute in, or store, fewer bits. */
import { z } from 'zod';
import { calibration } from './calibration.ts';
import { exclude, only } from './exclude.ts';

export const dynamicSchema = z.strictObject({
  pass: z.literal('quantize.dynamic'),
  perChannel: z
    .boolean()
    .optional()
    .describe('One weight scale per output channel instead of one per tensor. Default true.'),
  only,
  exclude,
});

export const staticSchema = z.strictObject({
  pass: z.literal('quantize.static'),
  activations: z.enum(['uint8', 'int8']).optional().describe('Type of quantized activations. Default uint8.'),
  weights: z.enum(['int8', 'uint8']).optional().describe('Type of quantized weights. Default int8.'),
  perChannel: z
    .boolean()
    .optional()
    .describe('One weight scale per output channel instead of one per tensor. Default true.'),
  calibration,
  only,
  exclude,
});
