/**
 * The model configuration extension: how a model is served, in the words of Triton's `config.pbtxt` (model_config.proto). It is
 * written from what is loaded, not from a file, so that it is always true.
 *
 * `max_batch_size` is more than 0 exactly when requests are rows that can share a call; then `dims` leaves the batch axis out.
 * A request may still have more rows than that: it is split.
 * https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_model_configuration.md
 */
import { type DType, OIP_DATATYPE, type TensorSpec } from '@slipway/core';
import type { QueuePolicy, SchedulePolicy } from '../../schedule/policy.ts';
import { policyOf } from '../../catalog/policy.ts';
import type { ModelSettings, VersionPolicy } from '../../catalog/settings.ts';
import type { ServedVersion } from '../gateway.ts';
import { clientSignature, isBatched } from './client-signature.ts';
import { BACKEND, PLATFORM } from './describe.ts';
import type { Schema } from './message.ts';

type ModelConfig = Readonly<Record<string, unknown>>;

/** DataType of model_config.proto. */
const DATA_TYPE = {
  TYPE_BOOL: 1,
  TYPE_UINT8: 2,
  TYPE_UINT16: 3,
  TYPE_UINT32: 4,
  TYPE_UINT64: 5,
  TYPE_INT8: 6,
  TYPE_INT16: 7,
  TYPE_INT32: 8,
  TYPE_INT64: 9,
  TYPE_FP16: 10,
  TYPE_FP32: 11,
  TYPE_FP64: 12,
  TYPE_STRING: 13,
} as const;

const QUEUE_POLICY: Schema = {
  timeout_action: [1, 'enum', { REJECT: 0, DELAY: 1 }],
  default_timeout_microseconds: [2, 'int'],
  allow_timeout_override: [3, 'bool'],
  max_queue_size: [4, 'int'],
};

const CONFIG: Schema = {
  name: [1, 'string'],
  platform: [2, 'string'],
  version_policy: [
    3,
    'message',
    {
      latest: [1, 'message', { num_versions: [1, 'int'] }],
      all: [2, 'message', {}],
      specific: [3, 'message', { versions: [1, 'ints'] }],
    },
  ],
  max_batch_size: [4, 'int'],
  input: [5, 'messages', { name: [1, 'string'], data_type: [2, 'enum', DATA_TYPE], dims: [4, 'ints'] }],
  output: [6, 'messages', { name: [1, 'string'], data_type: [2, 'enum', DATA_TYPE], dims: [3, 'ints'] }],
  instance_group: [
    7,
    'messages',
    { name: [1, 'string'], count: [2, 'int'], kind: [4, 'enum', { KIND_GPU: 1, KIND_CPU: 2 }] },
  ],
  default_model_filename: [8, 'string'],
  dynamic_batching: [
    11,
    'message',
    {
      preferred_batch_size: [1, 'ints'],
      max_queue_delay_microseconds: [2, 'int'],
      preserve_ordering: [3, 'bool'],
      priority_levels: [4, 'int'],
      default_priority_level: [5, 'int'],
      default_queue_policy: [6, 'message', QUEUE_POLICY],
      priority_queue_policy: [7, 'numberMap', QUEUE_POLICY],
    },
  ],
  parameters: [14, 'map', { string_value: [1, 'string'] }],
  backend: [17, 'string'],
  model_transaction_policy: [19, 'message', { decoupled: [1, 'bool'] }],
};

/** ModelConfigResponse; its one member is `config`. */
export const CONFIG_RESPONSE: Schema = { config: [1, 'message', CONFIG] };

export function modelConfig(served: ServedVersion): ModelConfig {
  const { model, settings, classes } = served;
  const batched = isBatched(served);
  const { inputs, outputs } = clientSignature(served);
  const policy = policyOf(settings);
  const tensors = (specs: readonly TensorSpec[], extra: object): unknown[] =>
    specs.map(({ name, dtype, shape }) => ({
      name,
      data_type: dataType(dtype),
      ...extra,
      dims: dims(shape, batched),
    }));
  return {
    name: model,
    platform: PLATFORM,
    backend: BACKEND,
    version_policy: versionPolicy(settings.versionPolicy ?? { latest: 1 }),
    max_batch_size: batched ? policy.maxBatchSize : 0,
    input: tensors(inputs, { format: 'FORMAT_NONE', optional: false }),
    output: tensors(outputs, { label_filename: '' }),
    batch_input: [],
    batch_output: [],
    ...(batched ? { dynamic_batching: dynamicBatching(policy, settings.batching ?? {}) } : {}),
    instance_group: [
      {
        name: `${model}_0`,
        kind: instanceKind(settings),
        count: settings.instances ?? 1,
        gpus: [],
        secondary_devices: [],
      },
    ],
    default_model_filename: '',
    parameters: classes === null ? {} : { classes: { string_value: JSON.stringify(classes) } },
    model_warmup: [],
    model_transaction_policy: { decoupled: false },
  };
}

/** Execution providers that compute on a GPU. */
const GPU_PROVIDERS: ReadonlySet<string> = new Set(['cuda', 'tensorrt', 'webgpu', 'dml']);

/** The first provider takes what it can; the others get what is left. */
const instanceKind = ({ session }: ModelSettings): string =>
  GPU_PROVIDERS.has(session?.executionProviders?.[0] ?? 'cpu') ? 'KIND_GPU' : 'KIND_CPU';

const dataType = (dtype: DType): keyof typeof DATA_TYPE =>
  dtype === 'string' ? 'TYPE_STRING' : `TYPE_${OIP_DATATYPE[dtype]}`;

function dims(shape: TensorSpec['shape'], batched: boolean): readonly number[] {
  const all = (shape ?? [-1]).map((dim) => (typeof dim === 'number' ? dim : -1));
  return batched ? all.slice(1) : all;
}

function versionPolicy(policy: VersionPolicy): object {
  if ('latest' in policy) return { latest: { num_versions: policy.latest } };
  return 'all' in policy ? { all: {} } : { specific: { versions: policy.specific } };
}

function dynamicBatching(
  { priorities, queue, queues }: SchedulePolicy,
  { preferredBatchSizes = [], maxDelayMs = 0 }: NonNullable<ServedVersion['settings']['batching']>,
): object {
  return {
    preferred_batch_size: preferredBatchSizes,
    max_queue_delay_microseconds: Math.round(maxDelayMs * 1000),
    preserve_ordering: false,
    // 0 levels: all requests are equal.
    priority_levels: priorities.levels > 1 ? priorities.levels : 0,
    default_priority_level: priorities.levels > 1 ? priorities.default : 0,
    default_queue_policy: queuePolicy(queue),
    priority_queue_policy: Object.fromEntries([...queues].map(([level, of]) => [level, queuePolicy(of)])),
  };
}

/** 0 is no bound. */
function queuePolicy({ maxRows, timeoutMs, allowOverride, onTimeout }: QueuePolicy): object {
  return {
    timeout_action: onTimeout.toUpperCase(),
    default_timeout_microseconds: Math.round((timeoutMs ?? 0) * 1000),
    allow_timeout_override: allowOverride,
    max_queue_size: Number.isFinite(maxRows) ? maxRows : 0,
  };
}
