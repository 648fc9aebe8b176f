/**
 * How the ranges of activations are found on calibration rows: by the name of a method, or as an object when a parameter
 * of it matters. What each method does is in `prepare/src/passes/calibrate/`.
 */
import { z } from 'zod';

const minmax = z.strictObject({ method: z.literal('minmax') });

const ema = z.strictObject({
  method: z.literal('ema'),
  momentum: z
    .number()
    .gt(0)
    .lte(1)
    .optional()
    .describe('Weight of each new call in the moving average of its smallest and largest value. Default 0.01.'),
});

export const calibration = z
  .union([z.enum(['minmax', 'ema']), z.discriminatedUnion('method', [minmax, ema])])
  .optional()
  .describe(
    'How ranges of activations are found: `minmax`, the smallest and largest values (default); `ema`, their moving average.',
  );

export type CalibrationSpec = NonNullable<z.infer<typeof calibration>>;
export type CalibrationMethod = Exclude<CalibrationSpec, string>;
