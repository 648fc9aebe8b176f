/** Options of the pass that balances the channels between two layers. */
import { z } from 'zod';
import { exclude, only } from './exclude.ts';

export const equaliseSchema = z.strictObject({
  pass: z.literal('quantize.equalise'),
  iterations: z
    .int()
    .positive()
    .max(100)
    .optional()
    .describe('How often at most all pairs are gone through: in a chain each layer is in two pairs. Default 20.'),
  only,
  exclude,
});
