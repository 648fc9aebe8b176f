/** Which rows a build looks at, and what it reads as the answer: the key `data` of the config. */
import { z } from 'zod';

export const filePath = z.string().min(1);

const rowRange = z
  .tuple([z.int().min(0), z.int().min(1)])
  .refine(([start, end]) => start < end, 'must be [start, end] with start < end')
  .describe('Rows [start, end) of the files.');

const dataSource = z
  .union([
    filePath,
    z.strictObject({
      inputs: z.union([filePath, z.record(z.string(), filePath)]).describe('One file, or one file per model input.'),
      labels: filePath.optional().describe('Expected answers, one per row.'),
      rows: rowRange.optional(),
    }),
  ])
  .describe(
    'A file that holds inputs and labels (.npz with an array `labels`, .csv with a column `label`, .json, .jsonl), or where each is.',
  );

export const METRICS = ['accuracy'] as const;
export type Metric = (typeof METRICS)[number];

export const dataSchema = z.strictObject({
  calibration: dataSource
    .optional()
    .describe('Rows that show quantization which values occur. Never the evaluation rows.'),
  evaluation: dataSource.optional().describe('Held-out rows that candidates are measured on.'),
  metric: z
    .enum(METRICS)
    .optional()
    .describe('What is measured on the evaluation rows. Default accuracy, when there are labels.'),
  output: z.string().optional().describe('The model output the metric reads. Default: the first.'),
});

/** Rows of files on disk. `inputs` maps model inputs to files; the key `*` stands for a file that names its own arrays. */
export interface DataSource {
  readonly inputs: Readonly<Record<string, string>>;
  readonly labels: string | null;
  readonly rows: readonly [number, number] | null;
}

export interface DataConfig {
  readonly calibration: DataSource | null;
  readonly evaluation: DataSource | null;
  readonly metric: Metric;
  readonly output: string | null;
}

/** @param resolve makes a path of the config absolute */
export function compileData(
  user: z.infer<typeof dataSchema> | undefined,
  resolve: (relative: string) => string,
): DataConfig {
  const source = (value: z.infer<typeof dataSource> | undefined): DataSource | null => {
    if (value === undefined) return null;
    if (typeof value === 'string') return { inputs: { '*': resolve(value) }, labels: null, rows: null };
    const inputs = typeof value.inputs === 'string' ? { '*': value.inputs } : value.inputs;
    return {
      inputs: Object.fromEntries(Object.entries(inputs).map(([name, at]) => [name, resolve(at)])),
      labels: value.labels === undefined ? null : resolve(value.labels),
      rows: value.rows ?? null,
    };
  };
  return {
    calibration: source(user?.calibration),
    evaluation: source(user?.evaluation),
    metric: user?.metric ?? 'accuracy',
    output: user?.output ?? null,
  };
}
