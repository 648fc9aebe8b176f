/** Options of the passes that store or compute in 16-bit floats. */
import { z } from 'zod';
import { exclude, only } from './exclude.ts';

export const float16Schema = z.strictObject({
  pass: z.literal('precision.float16'),
  keepIo: z
    .boolean()
    .optional()
    .describe('Inputs and outputs of the model stay float32, with a Cast inside. Default true.'),
  only,
  exclude,
});

export const bfloat16Schema = z.strictObject({
  pass: z.literal('precision.bfloat16'),
  only,
  exclude,
});
