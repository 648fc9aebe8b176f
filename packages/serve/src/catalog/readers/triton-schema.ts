/**
 * The fields of Triton's `config.pbtxt` (message `ModelConfig` of triton-inference-server/common, protobuf/model_config.proto).
 * What is declared `ignored` is read, has no effect here, and is said to have none.
 */
import type { DType } from '@slipway/core';
import {
  bool,
  ignored,
  map,
  message,
  type MessageOf,
  oneOf,
  repeated,
  string,
  unread,
  whole,
  type Kind,
} from '../../pbtxt/schema.ts';

const DATA_TYPES = {
  TYPE_INVALID: 0,
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
  TYPE_BF16: 14,
} as const;

export type TritonDataType = keyof typeof DATA_TYPES;

/** null: Triton leaves it open; undefined: not one that is served here. */
export const DTYPE_OF_TRITON: Readonly<Record<TritonDataType, DType | null | undefined>> = {
  TYPE_INVALID: null,
  TYPE_BOOL: 'bool',
  TYPE_UINT8: 'uint8',
  TYPE_UINT16: 'uint16',
  TYPE_UINT32: 'uint32',
  TYPE_UINT64: 'uint64',
  TYPE_INT8: 'int8',
  TYPE_INT16: 'int16',
  TYPE_INT32: 'int32',
  TYPE_INT64: 'int64',
  TYPE_FP16: 'float16',
  TYPE_FP32: 'float32',
  TYPE_FP64: 'float64',
  TYPE_STRING: 'string',
  TYPE_BF16: undefined,
};

const dataType = oneOf(DATA_TYPES);
const dims = repeated(whole({ min: -1 }));
const GPU = 'runners use the execution providers of the session settings';
const TENSORRT = 'it is for TensorRT';

const tensor = {
  name: string,
  data_type: dataType,
  dims,
  reshape: message({ shape: dims }),
  is_shape_tensor: ignored(TENSORRT),
  is_non_linear_format_io: ignored(TENSORRT),
};

const queuePolicy = message({
  timeout_action: oneOf({ REJECT: 0, DELAY: 1 }),
  default_timeout_microseconds: whole(),
  allow_timeout_override: bool,
  max_queue_size: whole(),
});

export const versionPolicy = message({
  latest: message({ num_versions: whole() }),
  all: message({}),
  specific: message({ versions: repeated(whole()) }),
});

const instanceGroup = message({
  name: unread,
  kind: oneOf({ KIND_AUTO: 0, KIND_GPU: 1, KIND_CPU: 2, KIND_MODEL: 3 }),
  count: whole({ max: 256 }),
  rate_limiter: ignored('calls to runners are limited by the cost that was measured'),
  gpus: ignored(GPU),
  secondary_devices: ignored(GPU),
  profile: ignored(TENSORRT),
  passive: ignored('every runner takes requests'),
  host_policy: ignored('threads per runner are set by the session settings'),
});

const accelerator = message({ name: string, parameters: map(string) });

const optimization = message({
  graph: message({ level: whole({ min: -1, max: 3 }) }),
  priority: ignored(TENSORRT),
  cuda: ignored(TENSORRT),
  execution_accelerators: message({
    gpu_execution_accelerator: ignored(GPU),
    cpu_execution_accelerator: repeated(accelerator),
  }),
  input_pinned_memory: ignored('tensors are not on a GPU'),
  output_pinned_memory: ignored('tensors are not on a GPU'),
  gather_kernel_buffer_threshold: ignored(TENSORRT),
  eager_batching: ignored(TENSORRT),
});

const dynamicBatching = message({
  preferred_batch_size: repeated(whole({ min: 1 })),
  max_queue_delay_microseconds: whole(),
  preserve_ordering: bool,
  priority_levels: whole({ max: 1000 }),
  default_priority_level: whole({ max: 1000 }),
  default_queue_policy: queuePolicy,
  priority_queue_policy: map(queuePolicy),
});

const warmupInput = message({
  data_type: dataType,
  dims,
  zero_data: bool,
  random_data: bool,
  input_data_file: string,
});

const modelConfig = {
  name: string,
  platform: string,
  backend: string,
  runtime: ignored('the engine is ONNX Runtime'),
  version_policy: versionPolicy,
  max_batch_size: whole(),
  input: repeated(
    message({
      ...tensor,
      format: unread,
      allow_ragged_batch: ignored('requests of different shapes go as different calls'),
      optional: ignored('ONNX models say themselves which inputs are optional'),
    }),
  ),
  output: repeated(message({ ...tensor, label_filename: string })),
  batch_input: ignored('there are no ragged batches'),
  batch_output: ignored('there are no ragged batches'),
  optimization,
  dynamic_batching: dynamicBatching,
  sequence_batching: unread,
  ensemble_scheduling: unread,
  instance_group: repeated(instanceGroup),
  default_model_filename: string,
  cc_model_filenames: ignored('there is one file for every GPU'),
  metric_tags: ignored('the labels of metrics are the same for every model'),
  parameters: map(message({ string_value: string })),
  model_warmup: repeated(
    message({
      name: string,
      batch_size: whole({ max: 1_000_000 }),
      inputs: map(warmupInput),
      count: whole({ max: 10_000 }),
    }),
  ),
  model_operations: ignored('libraries of operators are not loaded'),
  model_transaction_policy: message({ decoupled: bool }),
  model_repository_agents: ignored('repositories are read as they are'),
  response_cache: ignored('answers are not kept'),
  model_metrics: ignored('the buckets of histograms are the same for every model'),
};

export type TritonModelConfig = MessageOf<typeof modelConfig>;
export const tritonModelConfig: Kind<TritonModelConfig> = message(modelConfig);
