/** How latency is measured: the key `measure` of the config. */
import { z } from 'zod';

export const measureSchema = z.strictObject({
  batch: z.int().positive().optional().describe('Rows per call when latency is measured. Default 1.'),
  threads: z.int().positive().optional().describe('Threads of the engine. Default: as many as the machine gives.'),
  iterations: z.int().min(10).optional().describe('Timed calls per candidate. Default 300.'),
  warmup: z.int().min(0).optional().describe('Calls before timing starts. Default 20.'),
});

export interface MeasureConfig {
  readonly batch: number;
  readonly threads: number | null;
  readonly iterations: number;
  readonly warmup: number;
}

export function compileMeasure(user: z.infer<typeof measureSchema> | undefined): MeasureConfig {
  return {
    batch: user?.batch ?? 1,
    threads: user?.threads ?? null,
    iterations: user?.iterations ?? 300,
    warmup: user?.warmup ?? 20,
  };
}
