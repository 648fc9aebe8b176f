/**
 * The project's configuration, twice: `UserConfig` is what a person writes in `slipway.config.ts` (partial, friendly),
 * `Config` is what the program runs on (total, frozen, paths absolute). `compileConfig` is the only way from one to the
 * other, and the only place that validates. The schema is closed: an unknown key is an error with a did-you-mean.
 */
import path from 'node:path';
import { z } from 'zod';
import { describeIssues } from './config-issues.ts';
import { fail } from './errors.ts';
import { isModelName, type ServingHints, servingHintsSchema } from './manifest.ts';
import { type PassSpec, passSchema } from './passes.ts';

const filePath = z.string().min(1);
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
export const OBJECTIVES = ['latency', 'size', 'accuracy'] as const;

/** The name of the unchanged model among the candidates. */
export const SOURCE_CANDIDATE = 'source';
const candidateName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9+._-]*$/)
  .refine((name) => name !== SOURCE_CANDIDATE, 'is the name of the unchanged model, which is always measured');

const searchSchema = z.strictObject({
  candidates: z.record(candidateName, z.array(passSchema)).describe('Recipes by name.'),
});

const gatesSchema = z.strictObject({
  accuracyDrop: z
    .number()
    .min(0)
    .max(1)
    .optional()
    .describe('Largest loss of accuracy against the source (0.01 is one percentage point).'),
  accuracy: z.number().min(0).max(1).optional().describe('Smallest accuracy.'),
  p50Ms: z.number().positive().optional().describe('Largest median latency, milliseconds.'),
  p99Ms: z.number().positive().optional().describe('Largest 99th percentile of latency, milliseconds.'),
  slowdown: z
    .number()
    .positive()
    .optional()
    .describe('Largest ratio of p50 to the p50 of the source (1.1 allows 10 % slower).'),
  bytes: z.int().positive().optional().describe('Largest size on disk, bytes.'),
  compressedBytes: z.int().positive().optional().describe('Largest size compressed with zstd, bytes.'),
  peakRssBytes: z.int().positive().optional().describe('Largest peak resident memory of the runner, bytes.'),
  sqnrDb: z
    .number()
    .optional()
    .describe('Smallest signal-to-quantization-noise ratio of the outputs against the source, dB.'),
  cosine: z.number().max(1).optional().describe('Smallest cosine similarity of the outputs to those of the source.'),
  argmaxAgreement: z
    .number()
    .min(0)
    .max(1)
    .optional()
    .describe('Smallest share of rows on which the predicted class is that of the source.'),
});

const userConfigSchema = z.strictObject({
  name: z
    .string()
    .refine(isModelName, 'must be lower-case letters, digits and . _ - between them')
    .describe('Name of the model.'),
  source: filePath.describe('The trained model: an .onnx file.'),
  data: z
    .strictObject({
      calibration: dataSource
        .optional()
        .describe('Rows that show quantization which values occur. Never the evaluation rows.'),
      evaluation: dataSource.optional().describe('Held-out rows that candidates are measured on.'),
      metric: z
        .enum(METRICS)
        .optional()
        .describe('What is measured on the evaluation rows. Default accuracy, when there are labels.'),
      output: z.string().optional().describe('The model output the metric reads. Default: the first.'),
    })
    .optional(),
  labels: z.array(z.string()).optional().describe('Names of the classes, in order.'),
  recipe: z
    .union([z.array(passSchema), searchSchema])
    .optional()
    .describe('The passes to apply, or search({ … }) over several recipes. Default: none.'),
  objective: z
    .enum(OBJECTIVES)
    .optional()
    .describe('Which of the candidates that pass the gates wins. Default latency.'),
  gates: gatesSchema.optional().describe('Bounds every candidate must satisfy.'),
  measure: z
    .strictObject({
      batch: z.int().positive().optional().describe('Rows per call when latency is measured. Default 1.'),
      threads: z.int().positive().optional().describe('Threads of the engine. Default: as many as the machine gives.'),
      iterations: z.int().min(10).optional().describe('Timed calls per candidate. Default 300.'),
      warmup: z.int().min(0).optional().describe('Calls before timing starts. Default 20.'),
    })
    .optional(),
  serve: servingHintsSchema.optional().describe('How the release wants to be served.'),
  store: filePath.optional().describe('Directory of the store. Default .slipway/store beside the config.'),
  seed: z.int().optional().describe('Seed of everything random. Default 0.'),
});

export type UserConfig = z.input<typeof userConfigSchema>;
export type Gates = z.infer<typeof gatesSchema>;
export type Metric = (typeof METRICS)[number];
export type Objective = (typeof OBJECTIVES)[number];

/** Rows of files on disk. `inputs` maps model inputs to files; the key `*` stands for a file that names its own arrays. */
export interface DataSource {
  readonly inputs: Readonly<Record<string, string>>;
  readonly labels: string | null;
  readonly rows: readonly [number, number] | null;
}

export interface Config {
  /** Absolute path of the config file, for messages. */
  readonly file: string;
  readonly name: string;
  readonly source: string;
  readonly data: {
    readonly calibration: DataSource | null;
    readonly evaluation: DataSource | null;
    readonly metric: Metric;
    readonly output: string | null;
  };
  readonly labels: readonly string[] | null;
  /** Candidate name → passes. The unchanged source is always measured too, as the candidate `source`. */
  readonly candidates: Readonly<Record<string, readonly PassSpec[]>>;
  readonly objective: Objective;
  readonly gates: Gates;
  readonly measure: {
    readonly batch: number;
    readonly threads: number | null;
    readonly iterations: number;
    readonly warmup: number;
  };
  readonly serve: ServingHints;
  readonly store: string;
  readonly seed: number;
}

/** Declare a project. Identity at run time; checks and completes at edit time. */
export function defineConfig(config: UserConfig): UserConfig {
  return config;
}

/** Try several recipes, by name; the gates and the objective choose. */
export function search(candidates: Record<string, PassSpec[]>): { candidates: Record<string, PassSpec[]> } {
  return { candidates };
}

/**
 * Validate what a config file exports and complete it.
 * @param file absolute path of the config file; relative paths inside are relative to its directory
 * @throws CONFIG_INVALID with the path of the key and a did-you-mean
 */
export function compileConfig(exported: unknown, file: string): Config {
  const parsed = userConfigSchema.safeParse(exported);
  if (!parsed.success) {
    const problem =
      exported === undefined
        ? 'the file has no default export'
        : describeIssues(parsed.error.issues, exported, configJsonSchema());
    throw fail('CONFIG_INVALID', { path: file, problem });
  }
  const user = parsed.data;
  const directory = path.dirname(file);
  const resolve = (relative: string): string => path.resolve(directory, relative);
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
  const recipe = user.recipe ?? [];
  return deepFreeze({
    file,
    name: user.name,
    source: resolve(user.source),
    data: {
      calibration: source(user.data?.calibration),
      evaluation: source(user.data?.evaluation),
      metric: user.data?.metric ?? 'accuracy',
      output: user.data?.output ?? null,
    },
    labels: user.labels ?? null,
    candidates: Array.isArray(recipe) ? (recipe.length === 0 ? {} : { recipe }) : recipe.candidates,
    objective: user.objective ?? 'latency',
    gates: user.gates ?? {},
    measure: {
      batch: user.measure?.batch ?? 1,
      threads: user.measure?.threads ?? null,
      iterations: user.measure?.iterations ?? 300,
      warmup: user.measure?.warmup ?? 20,
    },
    serve: user.serve ?? {},
    store: resolve(user.store ?? '.slipway/store'),
    seed: user.seed ?? 0,
  });
}

/** JSON Schema of the config file, for the reference page and for editors. */
export function configJsonSchema(): Record<string, unknown> {
  return z.toJSONSchema(userConfigSchema, { io: 'input' });
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    Object.values(value).forEach(deepFreeze);
  }
  return value;
}
