/**
 * How the ranges of activations are found on calibration rows: by the name of a method, or as an object when a parameter
 * of it matters. What each method does is in `prepare/src/passes/calibrate/`.
 */
import { z } from 'zod';

const parameters = z.discriminatedUnion('method', [
  z.strictObject({ method: z.literal('minmax') }),
  z.strictObject({
    method: z.literal('ema'),
    momentum: z
      .number()
      .gt(0)
      .lte(1)
      .optional()
      .describe('Weight of each new call in the moving average of its smallest and largest value. Default 0.01.'),
  }),
  z.strictObject({
    method: z.literal('percentile'),
    percentile: z.number().gt(50).lt(100).optional().describe('Share of the values in the range, %. Default 99.999.'),
  }),
  z.strictObject({ method: z.literal('entropy') }),
  z.strictObject({ method: z.literal('mse') }),
  z.strictObject({ method: z.literal('auto') }),
]);

export const calibration = z
  .union([z.enum(['minmax', 'ema', 'percentile', 'entropy', 'mse', 'auto']), parameters])
  .optional()
  .describe(
    'How ranges of activations are found: `minmax`, the smallest and largest values (default); `ema`, their moving average; `percentile`, `entropy` and `mse` leave outliers out; `auto` tries and keeps what changes the outputs least. See docs/guides/calibration.md.',
  );

export type CalibrationSpec = NonNullable<z.infer<typeof calibration>>;
export type CalibrationMethod = Exclude<CalibrationSpec, string>;
