/** Options of the passes that zero weights. */
import { z } from 'zod';
import { exclude, only } from './exclude.ts';

export const magnitudeSchema = z
  .strictObject({
    pass: z.literal('prune.magnitude'),
    rule: z
      .enum(['mean', 'threshold', 'ratio'])
      .describe(
        '`mean`: zero weights smaller than the mean of |w|. `threshold`: smaller than a value. `ratio`: the smallest share.',
      ),
    scope: z
      .enum(['tensor', 'global'])
      .optional()
      .describe('Whether the bound is computed per tensor (default) or over all weights.'),
    threshold: z.number().positive().optional().describe('For rule `threshold`: weights with |w| below it become 0.'),
    ratio: z.number().gt(0).lt(1).optional().describe('For rule `ratio`: the share of weights that become 0.'),
    only,
    exclude,
  })
  .refine(({ rule, ratio }) => rule !== 'ratio' || ratio !== undefined, {
    path: ['ratio'],
    error: 'is needed by the rule "ratio"',
  })
  .refine(({ rule, threshold }) => rule !== 'threshold' || threshold !== undefined, {
    path: ['threshold'],
    error: 'is needed by the rule "threshold"',
  });
