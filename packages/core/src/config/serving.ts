/**
 * A serving configuration: the models that one server serves and what each is served with, as people write it in JSON. What other servers say in `config.pbtxt`, `models.config` and `batching_parameters` can all be said here.
 * The schema is closed: an unknown key is an error with a did-you-mean.
 */
import { z } from 'zod';
import { fail } from '../errors.ts';
import { describeIssues } from './issues.ts';

const size = z.int().min(1);
const milliseconds = z.number().min(0);
const onTimeout = z.enum(['reject', 'delay']);

const batching = z.strictObject({
  maxBatchSize: size.optional().describe('Rows in one call, at most.'),
  whole: z.boolean().optional().describe('A request is one call, as it is: never joined with another, never split.'),
  preferredBatchSizes: z
    .array(size)
    .optional()
    .describe('Sizes at which a batch goes without waiting longer for more.'),
  maxDelayMs: milliseconds.optional().describe('How long the first request of a batch may wait for others.'),
  latencyBudgetMs: milliseconds.optional().describe('How long a batch may take because of batching, by estimate.'),
  maxQueueRows: size.optional().describe('Rows that may wait.'),
  maxQueueBytes: size.optional().describe('Bytes of tensors that may wait.'),
  splitOversize: z
    .boolean()
    .optional()
    .describe('Whether a request with more rows than a batch is split. Default true.'),
  preserveOrdering: z.boolean().optional().describe('Answer in the order in which requests came.'),
  paddingBuckets: z
    .strictObject({
      rows: z.array(size).optional().describe('Rows of a batch; what is added is dropped from the outputs.'),
      dims: z
        .union([z.record(z.string(), z.array(size)), z.literal('powers')])
        .optional()
        .describe('By name of a free dimension of the signature; or powers of two for all of them.'),
      value: z
        .union([z.number(), z.literal('first')])
        .optional()
        .describe('What is added along `dims`. Default 0.'),
    })
    .optional()
    .describe('Sizes to fill up to, ascending, so that the engine sees few different shapes.'),
});

const timeouts = {
  defaultMs: milliseconds.optional().describe('Of a request that says none.'),
  allowOverride: z.boolean().optional().describe('Whether a request may say another time. Default true.'),
  onTimeout: onTimeout.optional().describe('Answer with an error, or serve after all others. Default reject.'),
};

const settings = {
  batching: batching.optional().describe('How requests become calls to a runner.'),
  priorities: z
    .strictObject({
      levels: size.optional().describe('Priorities are 1 (first) to this.'),
      default: size.optional().describe('Of a request that says none.'),
      ageMs: z.number().positive().optional().describe('Waiting so long is worth one level.'),
      policies: z
        .record(z.string().regex(/^\d+$/), z.strictObject({ ...timeouts, maxQueueRows: size.optional() }))
        .optional()
        .describe('By priority; where it says nothing, `timeouts` and `batching` hold.'),
    })
    .optional()
    .describe('Levels of priority.'),
  timeouts: z.strictObject(timeouts).optional().describe('How long a request may wait in the queue.'),
  versionPolicy: z
    .union([
      z.strictObject({ latest: size }),
      z.strictObject({ all: z.literal(true) }),
      z.strictObject({ specific: z.array(z.int().min(0)).min(1) }),
    ])
    .optional()
    .describe(
      'Which versions are served: `{ latest: 2 }`, `{ all: true }` or `{ specific: [1, 3] }`. Default the latest.',
    ),
  labels: z
    .record(z.string(), z.int().min(0))
    .optional()
    .describe('Label → version. A label points where it did until its new version is ready.'),
  warmUp: z
    .strictObject({
      data: z.enum(['golden', 'zero', 'random', 'none']).optional().describe('Default: golden samples, or zeros.'),
      batchSizes: z.array(size).optional().describe('Default: 1, 2, 4 … up to the largest batch, and preferred sizes.'),
      count: size.optional().describe('Calls at each size. Default 1.'),
      dims: z.record(z.string(), size).optional().describe('Sizes of free dimensions, by name. Default 1 each.'),
    })
    .optional()
    .describe('What a version computes before it is ready.'),
  instances: size.max(256).optional().describe('Runner processes per version.'),
  session: z
    .strictObject({
      threads: size.max(1024).optional().describe('Threads one operator may use.'),
      executionProviders: z.array(z.string()).optional().describe('In order of preference.'),
      spinning: z.boolean().optional().describe('Let idle threads spin.'),
      optimization: z.enum(['none', 'basic', 'extended', 'all']).optional().describe('Of the graph, at load.'),
      interThreads: size.max(1024).optional().describe('Operators executed at a time.'),
      memoryArena: z.boolean().optional().describe('Keep memory between calls.'),
      pinned: z.boolean().optional().describe('A core of its own for each thread.'),
      options: z.record(z.string(), z.string()).optional().describe('Further options of the engine, by its own names.'),
    })
    .optional()
    .describe('How a runner computes.'),
  transforms: z
    .literal(false)
    .optional()
    .describe('`false`: clients see the inputs and outputs of the model, not of the transforms it declares.'),
  pinned: z.boolean().optional().describe('Never unloaded to make room for another model.'),
};

const servingSchema = z.strictObject({
  defaults: z.strictObject(settings).optional().describe('For every model that says nothing itself.'),
  models: z
    .record(
      z.string(),
      z.strictObject({
        path: z
          .string()
          .optional()
          .describe(
            'An .onnx file, a model directory, a directory of versions or `s3://bucket/prefix`; relative to this file.',
          ),
        ...settings,
      }),
    )
    .describe('What clients call each model, and how it is served.'),
});

/** What a person writes. */
export type ServingConfig = z.input<typeof servingSchema>;

/** @throws SERVING_CONFIG_INVALID with the path of the key and a did-you-mean */
export function compileServing(exported: unknown, file: string): ServingConfig {
  const parsed = servingSchema.safeParse(exported);
  if (parsed.success) return parsed.data;
  const problem = describeIssues(parsed.error.issues, exported, servingJsonSchema());
  throw fail('SERVING_CONFIG_INVALID', { path: file, problem });
}

/** JSON Schema of the file, for the reference page and for editors. */
export function servingJsonSchema(): Record<string, unknown> {
  return z.toJSONSchema(servingSchema, { io: 'input' });
}
