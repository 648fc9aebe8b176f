/**
 * The project's configuration, twice: `UserConfig` is what a person writes in `slipway.config.ts` (partial, friendly),
 * `Config` is what the program runs on (total, frozen, paths absolute). `compileConfig` is the only way from one to the
 * other, and the only place that validates. The schema is closed: an unknown key is an error with a did-you-mean.
 */
import path from 'node:path';
import { z } from 'zod';
import { compileData, type DataConfig, dataSchema, filePath } from './config/data.ts';
import { type Gates, gatesSchema } from './config/gates.ts';
import { closedConfigs } from './config/closed.ts';
import { describeIssues } from './config/issues.ts';
import { compileMeasure, type MeasureConfig, measureSchema } from './config/measure.ts';
import {
  type Allowance,
  ALLOWANCES,
  asWritten,
  type Candidates,
  compileRecipe,
  problemOfPlan,
  recipeSchema,
  type SearchPlan,
} from './config/recipe.ts';
import { type Objective, OBJECTIVES } from './config/search.ts';
import { compileTransforms, type TransformsConfig, userTransformsSchema } from './config/transforms.ts';
import { fail } from './errors.ts';
import { isModelName, type ServingHints } from './manifest.ts';
import { servingHintsSchema } from './manifest-schema.ts';

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
  /** Recipes that still have choices in them, or null. */
  readonly search: SearchPlan | null;
  readonly objective: Objective;
  readonly allow: readonly Allowance[];
  readonly gates: Gates;
  readonly measure: MeasureConfig;
  readonly serve: ServingHints;
  readonly store: string;
  readonly seed: number;
}

/**
 * Validate what a config file exports and complete it.
 * @param file absolute path of the config file; relative paths inside are relative to its directory
 * @throws CONFIG_INVALID with the path of the key and a did-you-mean
 */
export function compileConfig(exported: unknown, file: string): Config {
  const user = validate(exported, file);
  const directory = path.dirname(file);
  const resolve = (relative: string): string => path.resolve(directory, relative);
  return deepFreeze({
    file,
    name: user.name,
    source: resolve(user.source),
    data: compileData(user.data, resolve),
    labels: user.labels ?? null,
    transforms: compileTransforms(user.transforms, resolve),
    ...compileRecipe(structuredClone((exported as UserConfig).recipe)),
    objective: user.objective ?? 'latency',
    allow: user.allow ?? [],
    gates: user.gates ?? {},
    measure: compileMeasure(user.measure),
    serve: user.serve ?? {},
    store: resolve(user.store ?? '.slipway/store'),
    seed: user.seed ?? 0,
  });
}

/** @throws CONFIG_INVALID unless every value of every choice gives a valid recipe */
function validate(exported: unknown, file: string): z.output<typeof userConfigSchema> {
  const invalid = (problem: string): Error =>
    fail('CONFIG_INVALID', {
      path: file,
      problem: asWritten(problem, (exported as Partial<UserConfig> | null | undefined)?.recipe),
    });
  if (exported === undefined) throw invalid('the file has no default export');
  let first: z.output<typeof userConfigSchema> | null = null;
  let excuse: string | null = null;
  for (const { config, problem } of closedConfigs(exported)) {
    if (problem !== null) throw invalid(problem);
    const parsed = userConfigSchema.safeParse(config);
    if (parsed.success) {
      first ??= parsed.data;
      continue;
    }
    const described = describeIssues(parsed.error.issues, config, configJsonSchema());
    // What two options mean together rules out a combination and not the choice, unless nothing is left.
    if (config === exported || parsed.error.issues.some(({ code }) => code !== 'custom')) throw invalid(described);
    excuse ??= described;
  }
  if (first === null) throw invalid(excuse ?? 'no recipe is valid');
  const pointless = problemOfPlan((exported as UserConfig).recipe, first.gates ?? {});
  if (pointless !== null) throw invalid(pointless);
  return first;
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
