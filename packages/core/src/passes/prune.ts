/** Options of the passes that zero weights. */
import { z } from 'zod';
import { exclude, only } from './exclude.ts';

/** Which options a rule takes. All but `scope` and `block` are needed by the rules that take them. */
const OPTIONS_OF_RULE = {
  mean: ['scope', 'block'],
  threshold: ['threshold', 'block'],
  ratio: ['ratio', 'scope', 'block'],
  nm: ['n', 'm'],
} as const;
const RULE_OPTIONS = ['threshold', 'ratio', 'scope', 'n', 'm', 'block'] as const;

/** A block larger than any kernel uses, and a bound on what grouping costs. */
const MAX_GROUP = 1024;
const groupSize = z.int().min(1).max(MAX_GROUP);

export const magnitudeSchema = z
  .strictObject({
    pass: z.literal('prune.magnitude'),
    rule: z
      .enum(['mean', 'threshold', 'ratio', 'nm'])
      .describe(
        '`mean`: zero weights smaller than the mean of |w|. `threshold`: smaller than a value. `ratio`: the smallest share. `nm`: all but the n largest of every m.',
      ),
    scope: z
      .enum(['tensor', 'global'])
      .optional()
      .describe('For `mean` and `ratio`: whether the bound is computed per tensor (default) or over all weights.'),
    threshold: z.number().positive().optional().describe('For rule `threshold`: weights with |w| below it become 0.'),
    ratio: z.number().gt(0).lt(1).optional().describe('For rule `ratio`: the share of weights that become 0.'),
    n: groupSize.optional().describe('For rule `nm`: how many of every m weights are kept.'),
    m: groupSize.optional().describe('For rule `nm`: how many consecutive weights along the input axis form a group.'),
    block: z
      .tuple([groupSize, groupSize])
      .optional()
      .describe(
        '[outputs, inputs]: zero whole blocks of this size, by their root mean square, instead of single weights.',
      ),
    only,
    exclude,
  })
  .superRefine((options, context) => {
    const taken: readonly string[] = OPTIONS_OF_RULE[options.rule];
    const report = (option: string, message: string): void =>
      context.addIssue({ code: 'custom', path: [option], message });
    for (const option of RULE_OPTIONS) {
      const given = options[option] !== undefined;
      const needed = taken.includes(option) && option !== 'scope' && option !== 'block';
      if (!given && needed) report(option, `is needed by the rule "${options.rule}"`);
      if (given && !taken.includes(option)) report(option, `has no meaning with the rule "${options.rule}"`);
    }
    if (options.n !== undefined && options.m !== undefined && options.n >= options.m) {
      report('n', 'must be smaller than m: the rule keeps n of every m weights');
    }
  });
