/**
 * The project's configuration, twice: `UserConfig` is what a person writes in `slipway.config.ts` (partial, friendly),
 * `Config` is what the program runs on (total, frozen, paths absolute). `compileConfig` is the only way from one to the
 * other, and the only place that validates. The schema is closed: an unknown key is an error with a did-you-mean.
 */
import path from 'node:path';
import { z } from 'zod';
import { compileData, type DataConfig, dataSchema, filePath } from './config/data.ts';
import { type Gates, gatesSchema } from './config/gates.ts';
import { describeIssues } from './config/issues.ts';
import { compileMeasure, type MeasureConfig, measureSchema } from './config/measure.ts';
import {
  type Allowance,
  ALLOWANCES,
  type Candidates,
  compileRecipe,
  type Objective,
  OBJECTIVES,
  recipeSchema,
} from './config/recipe.ts';
import { compileTransforms, type TransformsConfig, userTransformsSchema } from './config/transforms.ts';
import { fail } from './errors.ts';
import { isModelName, type ServingHints, servingHintsSchema } from './manifest.ts';

const userConfigSchema = z.strictObject({
  name: z
    .string()
    .refine(isModelName, 'must be lower-case letters, digits and . _ - between them')
    .describe('Name of the model.'),
  source: filePath.describe('The trained model: an .onnx file.'),
  data: dataSchema.optional(),
  labels: z.array(z.string()).optional().describe('Names of the classes, in order.'),
  transforms: userTransformsSchema
    .optional()
    .describe('What happens to a request before the inputs of the model, and to its outputs before the answer.'),
  recipe: recipeSchema
    .optional()
    .describe('The passes to apply, or search({ … }) over several recipes. Default: none.'),
  objective: z
    .enum(OBJECTIVES)
    .optional()
    .describe('Which of the candidates that pass the gates wins. Default latency.'),
  allow: z
    .array(z.enum(ALLOWANCES))
    .optional()
    .describe(
      'Trades to take: `larger` (a compressed model that is not smaller), `slower` (an optimized one that is slower). Default none.',
    ),
  gates: gatesSchema.optional().describe('Bounds every candidate must satisfy.'),
  measure: measureSchema.optional(),
  serve: servingHintsSchema.optional().describe('How the release wants to be served.'),
  store: filePath.optional().describe('Directory of the store. Default .slipway/store beside the config.'),
  seed: z.int().optional().describe('Seed of everything random. Default 0.'),
});

export type UserConfig = z.input<typeof userConfigSchema>;

export interface Config {
  /** Absolute path of the config file, for messages. */
  readonly file: string;
  readonly name: string;
  readonly source: string;
  readonly data: DataConfig;
  readonly labels: readonly string[] | null;
  readonly transforms: TransformsConfig;
  /** Candidate name → passes. The unchanged source is always measured too, as the candidate `source`. */
  readonly candidates: Candidates;
  readonly objective: Objective;
  readonly allow: readonly Allowance[];
  readonly gates: Gates;
  readonly measure: MeasureConfig;
  readonly serve: ServingHints;
  readonly store: string;
  readonly seed: number;
}

/** Declare a project. Identity at run time; checks and completes at edit time. */
export function defineConfig(config: UserConfig): UserConfig {
  return config;
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
  return deepFreeze({
    file,
    name: user.name,
    source: resolve(user.source),
    data: compileData(user.data, resolve),
    labels: user.labels ?? null,
    transforms: compileTransforms(user.transforms, resolve),
    candidates: compileRecipe(user.recipe),
    objective: user.objective ?? 'latency',
    allow: user.allow ?? [],
    gates: user.gates ?? {},
    measure: compileMeasure(user.measure),
    serve: user.serve ?? {},
    store: resolve(user.store ?? '.slipway/store'),
    seed: user.seed ?? 0,
  });
}

/** JSON Schema of the config file, for the reference page and for editors. */
export function configJsonSchema(): Record<string, unknown> {
  // A function has no JSON form.
  return z.toJSONSchema(userConfigSchema, { io: 'input', unrepresentable: 'any' });
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    Object.values(value).forEach(deepFreeze);
  }
  return value;
}
