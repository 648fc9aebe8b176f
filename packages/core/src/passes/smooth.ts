/** Options of the pass that moves the difficulty of activations into weights before quantization. */
import { z } from 'zod';
import { exclude, only } from './exclude.ts';

export const smoothSchema = z.strictObject({
  pass: z.literal('quantize.smooth'),
  alpha: z
    .union([z.literal('search'), z.number().min(0).max(1)])
    .optional()
    .describe(
      'How much of the outliers of activations goes into the weights: 0 none, 1 all. Default `search`: the best of 0, 0.1 … 1 and of none at all for each input, by the error of 8 bits.',
    ),
  only,
  exclude,
});
