/**
 * Triton's `config.pbtxt` as settings of ours. What it says of inputs and outputs is kept to be compared with the model; what
 * it says and we cannot do makes the model unusable (`sequence_batching`), or is warned about (everything else).
 *
 * Sizes and times keep their meaning; two words differ: `max_queue_size` counts requests there and rows here, and a model with
 * a largest batch is batched whether or not there is `dynamic_batching`, as it is in Triton when it completes the configuration.
 */
import { fail, type SlipwayError } from '@slipway/core';
import { readJson } from '../../pbtxt/json.ts';
import { readText, type ReadText } from '../../pbtxt/read.ts';
import type {
  BatchingSettings,
  ModelSettings,
  PrioritySettings,
  QueuePolicy,
  SessionSettings,
  VersionPolicy,
  WarmUpInput,
  WarmUpSample,
} from '../settings.ts';
import type { ExpectedSignature, ExpectedTensor } from '../source.ts';
import { DTYPE_OF_TRITON, type TritonDataType, tritonModelConfig, type TritonModelConfig } from './triton-schema.ts';

export interface TritonConfig {
  readonly name: string | null;
  readonly settings: ModelSettings;
  readonly expects: ExpectedSignature;
  /** The file in each version directory, when it is not `model.onnx`. */
  readonly modelFile: string | null;
  /** Names of the classes, one a line, beside `config.pbtxt`. */
  readonly classesFile: string | null;
  readonly warnings: readonly string[];
}

/** @throws SERVING_CONFIG_INVALID */
export function readTritonConfig(content: Uint8Array, file: string): TritonConfig {
  return compile(readText(content, file, tritonModelConfig), file);
}

/**
 * The same in JSON, as clients send it with a request to load a model.
 * @throws SERVING_CONFIG_INVALID
 */
export function readTritonConfigJson(content: string, what: string): TritonConfig {
  return compile(readJson(content, what, tritonModelConfig), what);
}

function compile({ value: config, warnings: found }: ReadText<TritonModelConfig>, file: string): TritonConfig {
  const warnings = [...found];
  const warn = (text: string): void => {
    warnings.push(`${file}: ${text}`);
  };
  const invalid = (problem: string): SlipwayError => fail('SERVING_CONFIG_INVALID', { path: file, problem });
  checkServable(config, invalid, warn);
  const files = (config.output ?? []).flatMap(({ label_filename: name = '' }) => (name === '' ? [] : [name]));
  if (new Set(files).size > 1) {
    warn(`label_filename: only "${files[0] ?? ''}" is read; a model has one list of classes`);
  }
  for (const name of [config.default_model_filename ?? '', ...files]) {
    if (/[/\\\0]/.test(name) || name === '..') throw invalid(`"${name}" is not the name of a file`);
  }
  return {
    name: config.name ?? null,
    settings: settingsOf(config, invalid, warn),
    expects: expected(config, file, invalid, warn),
    modelFile: config.default_model_filename ?? null,
    classesFile: files[0] ?? null,
    warnings,
  };
}

type Invalid = (problem: string) => SlipwayError;
type Warn = (text: string) => void;

function checkServable(config: TritonModelConfig, invalid: Invalid, warn: Warn): void {
  const { backend = '', platform = '' } = config;
  if (platform === 'ensemble' || config.ensemble_scheduling !== undefined) {
    throw invalid(
      'an ensemble cannot be served; merge the models into one ONNX model, or call them one after the other',
    );
  }
  if (config.sequence_batching !== undefined) {
    throw invalid('sequence_batching: models that keep state between requests cannot be served');
  }
  if (!['', 'onnxruntime'].includes(backend) || !['', 'onnxruntime_onnx'].includes(platform)) {
    throw invalid(`${backend === '' ? `platform "${platform}"` : `backend "${backend}"`}: only ONNX models are served`);
  }
  if (config.model_transaction_policy?.decoupled === true) {
    warn('model_transaction_policy.decoupled is of no effect: a request has one answer');
  }
}

function settingsOf(config: TritonModelConfig, invalid: Invalid, warn: Warn): ModelSettings {
  const { dynamic_batching: dynamic, max_batch_size: max = 0 } = config;
  const batching: BatchingSettings = {
    ...(max > 0 ? { maxBatchSize: max } : { whole: true }),
    ...optional(
      'preferredBatchSizes',
      dynamic?.preferred_batch_size?.toSorted((a, b) => a - b),
    ),
    ...(dynamic?.preserve_ordering === true ? { preserveOrdering: true } : {}),
    ...optional('maxDelayMs', milliseconds(dynamic?.max_queue_delay_microseconds)),
    ...optional('maxQueueRows', dynamic?.default_queue_policy?.max_queue_size || undefined),
  };
  const tooLarge = batching.preferredBatchSizes?.find((size) => size > max);
  if (tooLarge !== undefined) throw invalid(`preferred_batch_size ${tooLarge} is more than max_batch_size ${max}`);
  const instances = instancesOf(config, warn);
  const session = sessionOf(config, warn);
  const samples = config.model_warmup?.map((sample): WarmUpSample => warmUpSample(sample, invalid));
  return {
    batching,
    ...optional('priorities', prioritiesOf(config, invalid)),
    ...optional('timeouts', queuePolicy(dynamic?.default_queue_policy, false)),
    ...optional('versionPolicy', versionPolicyOf(config.version_policy, invalid)),
    ...optional('instances', instances),
    ...(Object.keys(session).length > 0 ? { session } : {}),
    ...(samples === undefined ? {} : { warmUp: { samples } }),
  };
}

function prioritiesOf(
  { dynamic_batching: dynamic }: TritonModelConfig,
  invalid: Invalid,
): PrioritySettings | undefined {
  const levels = dynamic?.priority_levels ?? 0;
  if (levels === 0) return undefined;
  const of = dynamic?.default_priority_level ?? 0;
  if (of < 1 || of > levels) {
    throw invalid(`default_priority_level must be from 1 to priority_levels (${levels}), not ${of}`);
  }
  const policies = [...(dynamic?.priority_queue_policy ?? [])].map(([level, policy]): [string, QueuePolicy] => {
    if (!(Number(level) >= 1 && Number(level) <= levels)) {
      throw invalid(`priority_queue_policy: there is no level ${level}`);
    }
    return [level, queuePolicy(policy, true) ?? {}];
  });
  return { levels, default: of, ...(policies.length === 0 ? {} : { policies: Object.fromEntries(policies) }) };
}

type TritonQueuePolicy = NonNullable<NonNullable<TritonModelConfig['dynamic_batching']>['default_queue_policy']>;

/** @param withSize false for the policy of the model, whose size is the size of its queue */
function queuePolicy(policy: TritonQueuePolicy | undefined, withSize: boolean): QueuePolicy | undefined {
  if (policy === undefined) return undefined;
  return {
    ...optional('defaultMs', milliseconds(policy.default_timeout_microseconds || undefined)),
    allowOverride: policy.allow_timeout_override ?? false,
    onTimeout: policy.timeout_action === 'DELAY' ? 'delay' : 'reject',
    ...(withSize ? optional('maxQueueRows', policy.max_queue_size || undefined) : {}),
  };
}

/** Triton and TensorFlow Serving write it the same way. */
export function versionPolicyOf(
  policy: TritonModelConfig['version_policy'],
  invalid: Invalid,
): VersionPolicy | undefined {
  if (policy === undefined) return undefined;
  const chosen = Object.keys(policy);
  if (chosen.length > 1) throw invalid(`version policy: ${chosen.join(' and ')} exclude each other`);
  if (policy.all !== undefined) return { all: true };
  if (policy.latest !== undefined) return { latest: Math.max(1, policy.latest.num_versions ?? 1) };
  if (policy.specific === undefined) return undefined;
  const specific = policy.specific.versions ?? [];
  if (specific.length === 0) throw invalid('version policy: specific names no versions');
  return { specific };
}

function instancesOf({ instance_group: groups = [] }: TritonModelConfig, warn: Warn): number | undefined {
  if (groups.length === 0) return undefined;
  if (groups.some(({ kind }) => kind === 'KIND_GPU')) {
    warn('instance_group: KIND_GPU is of no effect: runners use the execution providers of the session settings');
  }
  return groups.reduce((sum, { count }) => sum + Math.max(1, count ?? 1), 0);
}

/** Of the options of Triton's ONNX Runtime backend. */
function sessionOf({ optimization, parameters }: TritonModelConfig, warn: Warn): SessionSettings {
  const options: Record<string, string> = {};
  let threads: number | undefined;
  let interThreads: number | undefined;
  let memoryArena: boolean | undefined;
  for (const [name, { string_value: text = '' }] of parameters ?? []) {
    if (name === 'intra_op_thread_count' && /^\d+$/.test(text)) threads = Number(text) || undefined;
    else if (name === 'inter_op_thread_count' && /^\d+$/.test(text)) interThreads = Number(text) || undefined;
    else if (name === 'enable_mem_arena') memoryArena = text !== '0';
    else if (/^(?:session|optimization|mlas)\./.test(name)) options[name] = text;
    else warn(`parameters "${name}" is of no effect`);
  }
  const level = optimization?.graph?.level;
  const providers = optimization?.execution_accelerators?.cpu_execution_accelerator ?? [];
  for (const { name = '', parameters: of } of providers) {
    if (of !== undefined) warn(`the parameters of the accelerator "${name}" are of no effect`);
  }
  return {
    ...optional('threads', threads),
    ...optional('interThreads', interThreads),
    ...optional('memoryArena', memoryArena),
    ...(level === undefined ? {} : { optimization: level === 0 ? 'all' : level < 0 ? 'basic' : 'extended' }),
    ...(providers.length === 0 ? {} : { executionProviders: [...providers.map(({ name = '' }) => name), 'cpu'] }),
    ...(Object.keys(options).length === 0 ? {} : { options }),
  };
}

function warmUpSample(sample: NonNullable<TritonModelConfig['model_warmup']>[number], invalid: Invalid): WarmUpSample {
  const name = sample.name ?? '';
  const inputs = [...(sample.inputs ?? [])].map(([input, { dims = [], ...given }]): [string, WarmUpInput] => {
    const { input_data_file: file } = given;
    if (dims.some((dim) => dim < 1)) {
      throw invalid(`model_warmup "${name}", input "${input}": every dimension must be given`);
    }
    if (file !== undefined && (/[/\\\0]/.test(file) || file === '..')) {
      throw invalid(`"${file}" is not the name of a file`);
    }
    const data = file !== undefined ? 'file' : given.random_data !== undefined ? 'random' : 'zero';
    return [input, { dims, data, ...(file === undefined ? {} : { file: `warmup/${file}` }) }];
  });
  return {
    name,
    rows: Math.max(1, sample.batch_size ?? 1),
    count: sample.count || 1,
    inputs: Object.fromEntries(inputs),
  };
}

function expected(config: TritonModelConfig, file: string, invalid: Invalid, warn: Warn): ExpectedSignature {
  const batched = (config.max_batch_size ?? 0) > 0;
  const tensor = (
    kind: string,
    given: {
      name?: string;
      data_type?: TritonDataType;
      dims?: readonly number[];
      reshape?: { shape?: readonly number[] };
    },
  ): ExpectedTensor => {
    const { name = '', data_type: type = 'TYPE_INVALID', reshape } = given;
    const dtype = DTYPE_OF_TRITON[type];
    if (dtype === undefined) throw invalid(`${kind} "${name}": ${type} is not served`);
    if (reshape !== undefined) warn(`${kind} "${name}": reshape is of no effect: clients see the shape of the model`);
    const dims = reshape === undefined ? given.dims : (reshape.shape ?? []);
    return { name, dtype, shape: dims === undefined ? null : [...(batched ? [-1] : []), ...dims] };
  };
  return {
    file,
    inputs: (config.input ?? []).map((input) => tensor('input', input)),
    outputs: (config.output ?? []).map((output) => tensor('output', output)),
  };
}

const milliseconds = (microseconds: number | undefined): number | undefined =>
  microseconds === undefined ? undefined : microseconds / 1000;

function optional<K extends string, V>(key: K, value: V | undefined): { readonly [P in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { readonly [P in K]: V });
}
