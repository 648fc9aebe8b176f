/** Which rows a build looks at, and what it reads as the answer: the key `data` of the config. */
import { z } from 'zod';
import type { Tensors } from '../tensor.ts';
import { compileMetrics, metricsSchema } from './metric-list.ts';
import type { MetricSpec } from './metric-schema.ts';

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
      group: filePath.optional().describe('The group each row belongs to, a name or a number per row.'),
      rows: rowRange.optional(),
    }),
  ])
  .describe(
    'A file that holds inputs and labels (.npz with an array `labels`, .csv with a column `label`, .json, .jsonl), or where each is. An array or column `group` names the group of each row.',
  );

/** One evaluation row, for whoever says which group it is in. */
export interface GroupRow {
  /** Position of the row in the evaluation data. */
  readonly index: number;
  readonly inputs: Tensors;
  /** null without labels, and where a label is more than one value. */
  readonly label: number | string | null;
}
export type GroupFunction = (row: GroupRow) => string | number;

const SLICINGS = ['class', 'group'] as const;
export type Slicing = (typeof SLICINGS)[number];

export const dataSchema = z.strictObject({
  calibration: dataSource
    .optional()
    .describe('Rows that show quantization which values occur. Never the evaluation rows.'),
  evaluation: dataSource.optional().describe('Held-out rows that candidates are measured on.'),
  metric: metricsSchema
    .optional()
    .describe(
      'What is measured on the evaluation rows: one metric or a list, the primary one first. Default accuracy, when there are labels.',
    ),
  output: z.string().optional().describe('The model output the metric reads. Default: the first.'),
  group: z
    .custom<GroupFunction>((value) => typeof value === 'function', 'must be a function of a row')
    .optional()
    .describe('A function that names the group of a row, when the data does not.'),
  slices: z
    .array(z.enum(SLICINGS))
    .optional()
    .describe(
      'What metrics are also told apart by. Default: by group where there are groups, by class up to 100 classes.',
    ),
});

/** Rows of files on disk. `inputs` maps model inputs to files; the key `*` stands for a file that names its own arrays. */
export interface DataSource {
  readonly inputs: Readonly<Record<string, string>>;
  readonly labels: string | null;
  readonly group: string | null;
  readonly rows: readonly [number, number] | null;
}

export interface DataConfig {
  readonly calibration: DataSource | null;
  readonly evaluation: DataSource | null;
  /** The primary metric first; null: accuracy when there are labels. */
  readonly metrics: readonly MetricSpec[] | null;
  readonly output: string | null;
  readonly group: GroupFunction | null;
  /** null: whatever the data allows. */
  readonly slices: readonly Slicing[] | null;
}

/** @param resolve makes a path of the config absolute */
export function compileData(
  user: z.infer<typeof dataSchema> | undefined,
  resolve: (relative: string) => string,
): DataConfig {
  const source = (value: z.infer<typeof dataSource> | undefined): DataSource | null => {
    if (value === undefined) return null;
    if (typeof value === 'string') return { inputs: { '*': resolve(value) }, labels: null, group: null, rows: null };
    const inputs = typeof value.inputs === 'string' ? { '*': value.inputs } : value.inputs;
    return {
      inputs: Object.fromEntries(Object.entries(inputs).map(([name, at]) => [name, resolve(at)])),
      labels: value.labels === undefined ? null : resolve(value.labels),
      group: value.group === undefined ? null : resolve(value.group),
      rows: value.rows ?? null,
    };
  };
  return {
    calibration: source(user?.calibration),
    evaluation: source(user?.evaluation),
    metrics: compileMetrics(user?.metric, resolve),
    output: user?.output ?? null,
    group: user?.group ?? null,
    slices: user?.slices ?? null,
  };
}
