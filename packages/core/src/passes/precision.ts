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

/** Metrics that one number per row is enough for, and that need no options. */
const METRICS = ['accuracy', 'f1', 'roc-auc', 'mae', 'rmse', 'r2'] as const;

export const mixedSchema = z
  .strictObject({
    pass: z.literal('precision.mixed'),
    sqnrDb: z
      .number()
      .optional()
      .describe('Smallest signal-to-noise ratio of every output against the source, dB. Default 50.'),
    metric: z
      .enum(METRICS)
      .optional()
      .describe('What must not get worse on the calibration rows, which then need labels, instead of `sqnrDb`.'),
    drop: z.number().min(0).optional().describe('With `metric`: by how much it may get worse. Default 0.'),
    maxRuns: z.int().min(1).max(1000).optional().describe('Largest number of models tried. Default 64.'),
    rows: z.int().positive().optional().describe('How many calibration rows each is run on. Default 64.'),
    keepIo: float16Schema.shape.keepIo,
    only,
    exclude,
  })
  .refine(({ metric, sqnrDb }) => metric === undefined || sqnrDb === undefined, {
    path: ['sqnrDb'],
    error: 'cannot be combined with `metric`: choose one',
  })
  .refine(({ metric, drop }) => metric !== undefined || drop === undefined, {
    path: ['drop'],
    error: 'has a meaning only with `metric`',
  });
