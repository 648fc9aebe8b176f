/**
 * TensorFlow Serving's `models.config` (message `ModelServerConfig`) and `batching_parameters` (message `BatchingParameters` of
 * session_bundle_config.proto) as settings of ours.
 */
import { fail, type SlipwayError } from '@slipway/core';
import path from 'node:path';
import { readText } from '../../pbtxt/read.ts';
import { bool, ignored, map, message, repeated, string, unread, whole } from '../../pbtxt/schema.ts';
import { type BatchingSettings, isServedName, type ModelEntry, type ModelSettings } from '../settings.ts';
import { versionPolicy } from './triton-schema.ts';
import { versionPolicyOf } from './triton.ts';

const modelServerConfig = message({
  model_config_list: message({
    config: repeated(
      message({
        name: string,
        base_path: string,
        model_type: unread,
        model_platform: unread,
        model_version_policy: versionPolicy,
        version_labels: map(whole({ min: 1 })),
        logging_config: ignored('requests are not written down'),
      }),
    ),
  }),
  custom_model_config: unread,
});

/** @throws SERVING_CONFIG_INVALID; nothing of a file that is wrong anywhere is used */
export function readModelsConfig(
  content: Uint8Array,
  file: string,
): { readonly entries: readonly ModelEntry[]; readonly warnings: readonly string[] } {
  const { value, warnings } = readText(content, file, modelServerConfig);
  const invalid = (problem: string): SlipwayError => fail('SERVING_CONFIG_INVALID', { path: file, problem });
  if (value.custom_model_config !== undefined) {
    throw invalid('custom_model_config cannot be read; use model_config_list');
  }
  const entries = new Map<string, ModelEntry>();
  for (const config of value.model_config_list?.config ?? []) {
    const { name = '', base_path: base = '' } = config;
    if (!isServedName(name)) throw invalid(`name: "${name}" cannot be the name of a model`);
    if (entries.has(name)) throw invalid(`the model "${name}" is given twice`);
    if (base === '') throw invalid(`the model "${name}" has no base_path`);
    const policy = versionPolicyOf(config.model_version_policy, (problem) =>
      invalid(`the model "${name}": ${problem}`),
    );
    const settings: ModelSettings = {
      ...(policy === undefined ? {} : { versionPolicy: policy }),
      ...(config.version_labels === undefined ? {} : { labels: Object.fromEntries(config.version_labels) }),
    };
    const at = /^[a-z][a-z0-9+.-]*:\/\//.test(base) ? base : path.resolve(path.dirname(file), base);
    entries.set(name, { name, path: at, settings });
  }
  return { entries: [...entries.values()], warnings };
}

const wrapped = message({ value: whole() });
const THREADS = 'a runner executes one batch at a time; set the number of runners';

const batchingParameters = message({
  max_batch_size: wrapped,
  batch_timeout_micros: wrapped,
  max_enqueued_batches: wrapped,
  num_batch_threads: ignored(THREADS),
  thread_pool_name: unread,
  allowed_batch_sizes: repeated(whole({ min: 1 })),
  pad_variable_length_inputs: bool,
  enable_large_batch_splitting: bool,
  max_execution_batch_size: wrapped,
  low_priority_max_batch_size: ignored('requests of every priority share the batches'),
  low_priority_batch_timeout_micros: ignored('requests of every priority share the batches'),
  low_priority_max_enqueued_batches: ignored('requests of every priority share the batches'),
  low_priority_allowed_batch_sizes: ignored('requests of every priority share the batches'),
  mixed_priority_batching_policy: ignored('requests of every priority share the batches'),
  batch_padding_policy: ignored('a batch is filled up to the next allowed size'),
});

/** @throws SERVING_CONFIG_INVALID */
export function readBatchingParameters(
  content: Uint8Array,
  file: string,
): { readonly batching: BatchingSettings; readonly warnings: readonly string[] } {
  const { value, warnings } = readText(content, file, batchingParameters);
  const invalid = (problem: string): SlipwayError => fail('SERVING_CONFIG_INVALID', { path: file, problem });
  const maxBatchSize = value.max_execution_batch_size?.value ?? value.max_batch_size?.value;
  if (maxBatchSize === 0) throw invalid('max_batch_size must be at least 1');
  const rows = value.allowed_batch_sizes;
  if (rows?.some((size, at) => size <= (rows[at - 1] ?? 0)) === true) {
    throw invalid('allowed_batch_sizes must be in increasing order');
  }
  if (rows !== undefined && maxBatchSize !== undefined && rows.at(-1) !== maxBatchSize) {
    throw invalid(`the last of allowed_batch_sizes must be the largest batch, ${maxBatchSize}`);
  }
  const variable = value.pad_variable_length_inputs === true;
  const batches = value.max_enqueued_batches?.value;
  const delay = value.batch_timeout_micros?.value;
  const largest = maxBatchSize ?? rows?.at(-1);
  return {
    batching: {
      ...(largest === undefined ? {} : { maxBatchSize: largest }),
      ...(delay === undefined ? {} : { maxDelayMs: delay / 1000 }),
      // There the queue is counted in batches.
      ...(batches === undefined ? {} : { maxQueueRows: Math.max(1, batches) * (largest ?? DEFAULT_BATCH) }),
      // There inputs are filled up to the longest of their batch, here to few sizes: lengths that differ a little share them.
      ...(rows === undefined && !variable
        ? {}
        : {
            paddingBuckets: {
              ...(rows === undefined ? {} : { rows }),
              ...(variable ? { dims: 'powers', value: 'first' } : {}),
            },
          }),
      ...(value.enable_large_batch_splitting === undefined
        ? {}
        : { splitOversize: value.enable_large_batch_splitting }),
    },
    warnings,
  };
}

/** What a batch holds when nobody says, in TensorFlow Serving. */
const DEFAULT_BATCH = 1000;
