/** Options of the passes that change the graph and not what it computes. */
import { z } from 'zod';

export const optimizeSchema = z.strictObject({
  pass: z.literal('optimize'),
  level: z
    .enum(['basic', 'extended', 'all'])
    .optional()
    .describe(
      '`basic` (default): standard operators, for any machine. `extended`: fused operators of this version of ONNX Runtime. `all`: also the memory layout of this processor. What is not `basic` is refused elsewhere.',
    ),
});

export const simplifySchema = z.strictObject({
  pass: z.literal('simplify'),
  exact: z
    .boolean()
    .optional()
    .describe('Only rewrites whose results are equal bit for bit: no fusion of weights. Default false.'),
  inputShapes: z
    .record(z.string(), z.array(z.union([z.int().nonnegative(), z.string().min(1)])))
    .optional()
    .describe('Shapes that inputs will always have. They are written into the model, which then accepts no others.'),
  skip: z
    .array(z.string().min(1))
    .optional()
    .describe('Names of rewrites not to use: see docs/guides/passes/simplify.md.'),
  maxFoldedBytes: z
    .int()
    .nonnegative()
    .optional()
    .describe('A constant larger than this is made only when the model does not grow by it. Default 65536.'),
});

export const fuseSchema = z.strictObject({
  pass: z.literal('fuse'),
  skip: z.array(z.string().min(1)).optional().describe('Names of fusions not to use: see docs/guides/passes/fuse.md.'),
});

export const batchSchema = z.strictObject({
  pass: z.literal('batch.dynamic'),
});
