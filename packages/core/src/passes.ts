/**
 * The passes a recipe can name, as plain data: what the user writes in the config, what the report shows and what the
 * lineage records are the same object. `prepare` gives each its meaning; this file gives each its options, so
 * that the config can be checked without loading anything heavy.
 */
import { z } from 'zod';

/** Nodes or tensors a pass leaves alone. A pattern that matches nothing is an error. */
const exclude = z
  .array(z.string().min(1))
  .optional()
  .describe('Names of nodes or initializers to leave as they are; `*` matches any run of characters.');

const magnitude = z
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

const dynamic = z.strictObject({
  pass: z.literal('quantize.dynamic'),
  perChannel: z
    .boolean()
    .optional()
    .describe('One weight scale per output channel instead of one per tensor. Default true.'),
  exclude,
});

const statik = z.strictObject({
  pass: z.literal('quantize.static'),
  activations: z.enum(['uint8', 'int8']).optional().describe('Type of quantized activations. Default uint8.'),
  weights: z.enum(['int8', 'uint8']).optional().describe('Type of quantized weights. Default int8.'),
  perChannel: z
    .boolean()
    .optional()
    .describe('One weight scale per output channel instead of one per tensor. Default true.'),
  calibration: z.enum(['minmax']).optional().describe('How activation ranges are found. Default minmax.'),
  exclude,
});

const optimizePass = z.strictObject({
  pass: z.literal('optimize'),
  level: z
    .enum(['basic'])
    .optional()
    .describe('ONNX Runtime graph optimization level; `basic` is portable between machines.'),
});

const batch = z.strictObject({
  pass: z.literal('batch.dynamic'),
});

const simplifyPass = z.strictObject({
  pass: z.literal('simplify'),
  exact: z
    .boolean()
    .optional()
    .describe('Only rewrites whose results are equal bit for bit: no fusion of weights. Default false.'),
  inputShapes: z
    .record(z.string(), z.array(z.union([z.int().nonnegative(), z.string().min(1)])))
    .optional()
    .describe('Shapes that inputs will always have. They are written into the model, which then accepts no others.'),
  skip: z.array(z.string().min(1)).optional().describe('Names of rewrites not to use: see docs/guides/simplify.md.'),
  maxFoldedBytes: z
    .int()
    .nonnegative()
    .optional()
    .describe('A constant larger than this is made only when the model does not grow by it. Default 65536.'),
});

export const passSchema = z.discriminatedUnion('pass', [magnitude, dynamic, statik, optimizePass, batch, simplifyPass]);

export type PassSpec = z.infer<typeof passSchema>;
export type PassName = PassSpec['pass'];
export type PassOptions<P extends PassName> = Omit<Extract<PassSpec, { pass: P }>, 'pass'>;

/** Zero the weights that matter least by magnitude. Buys compressed size, not speed. */
export const prune = {
  magnitude: (options: PassOptions<'prune.magnitude'>): PassSpec => ({ pass: 'prune.magnitude', ...options }),
} as const;

/** Compute in 8-bit integers. */
export const quantize = {
  /** Weights ahead of time, activations at run time: no calibration data needed. Good for transformers. */
  dynamic: (options: PassOptions<'quantize.dynamic'> = {}): PassSpec => ({ pass: 'quantize.dynamic', ...options }),
  /** Weights and activations ahead of time, with ranges from calibration data. Good for CNNs. */
  static: (options: PassOptions<'quantize.static'> = {}): PassSpec => ({ pass: 'quantize.static', ...options }),
} as const;

/** Fold and fuse what ONNX Runtime can, ahead of time. */
export function optimize(options: PassOptions<'optimize'> = {}): PassSpec {
  return { pass: 'optimize', ...options };
}

/** Evaluate constants, remove what does nothing, merge and fuse neighbours: a smaller graph that computes the same. */
export function simplify(options: PassOptions<'simplify'> = {}): PassSpec {
  return { pass: 'simplify', ...options };
}

/** Let axis 0 vary in a model that was exported with a fixed batch of one. */
export const batching = {
  dynamic: (): PassSpec => ({ pass: 'batch.dynamic' }),
} as const;
