/** The configuration files of other servers, as settings of ours. */
import { hasCode } from '@slipway/core';
import { describe, expect, it } from 'vitest';
import { differenceFrom } from './expected.ts';
import { readServingConfig } from './serving.ts';
import { readBatchingParameters, readModelsConfig } from './tensorflow.ts';
import { readTritonConfig, readTritonConfigJson } from './triton.ts';

const triton = (text: string) => readTritonConfig(Buffer.from(text), '/models/m/config.pbtxt');

/** What Triton's documentation and its tests write. */
const FULL = `
name: "resnet"
backend: "onnxruntime"
max_batch_size: 32
default_model_filename: "resnet.onnx"
input [ { name: "x" data_type: TYPE_FP32 format: FORMAT_NCHW dims: [ 3, 224, 224 ] } ]
output [ { name: "y" data_type: TYPE_FP32 dims: [ 1000 ] label_filename: "labels.txt" } ]
version_policy: { latest { num_versions: 2 } }
dynamic_batching {
  preferred_batch_size: [ 8, 4 ]
  max_queue_delay_microseconds: 500
  priority_levels: 3
  default_priority_level: 2
  default_queue_policy { timeout_action: DELAY default_timeout_microseconds: 100000 allow_timeout_override: true max_queue_size: 100 }
  priority_queue_policy { key: 1 value { max_queue_size: 10 } }
}
instance_group [ { count: 2 kind: KIND_CPU }, { count: 1 kind: KIND_GPU gpus: [ 0 ] } ]
optimization { graph { level: 1 } execution_accelerators { cpu_execution_accelerator : [ { name : "openvino" } ] } }
parameters { key: "intra_op_thread_count" value: { string_value: "4" } }
parameters { key: "session.intra_op.allow_spinning" value: { string_value: "0" } }
parameters { key: "execution_mode" value: { string_value: "0" } }
model_warmup [ { name: "one" batch_size: 4 count: 3 inputs { key: "x" value: { data_type: TYPE_FP32 dims: [ 3, 224, 224 ] random_data: true } } } ]
response_cache { enable: true }
`;

describe('config.pbtxt', () => {
  it('says all that a model is served with', () => {
    const { settings, expects, modelFile, classesFile, name } = triton(FULL);
    expect(name).toBe('resnet');
    expect(modelFile).toBe('resnet.onnx');
    expect(classesFile).toBe('labels.txt');
    expect(settings).toEqual({
      batching: { maxBatchSize: 32, preferredBatchSizes: [4, 8], maxDelayMs: 0.5, maxQueueRows: 100 },
      priorities: {
        levels: 3,
        default: 2,
        policies: { 1: { allowOverride: false, onTimeout: 'reject', maxQueueRows: 10 } },
      },
      timeouts: { defaultMs: 100, allowOverride: true, onTimeout: 'delay' },
      versionPolicy: { latest: 2 },
      instances: 3,
      session: {
        threads: 4,
        optimization: 'extended',
        executionProviders: ['openvino', 'cpu'],
        options: { 'session.intra_op.allow_spinning': '0' },
      },
      warmUp: { samples: [{ name: 'one', rows: 4, count: 3, inputs: { x: { dims: [3, 224, 224], data: 'random' } } }] },
    });
    expect(expects.inputs).toEqual([{ name: 'x', dtype: 'float32', shape: [-1, 3, 224, 224] }]);
    expect(expects.outputs).toEqual([{ name: 'y', dtype: 'float32', shape: [-1, 1000] }]);
  });

  it('warns of every field that has no effect, by name', () => {
    const said = triton(FULL).warnings.map((warning) => /[:]\s([\w. "]+?)( is of no effect|:)/.exec(warning)?.[1]);
    expect(said).toEqual(['instance_group.gpus', 'response_cache', 'instance_group', 'parameters "execution_mode"']);
    expect(triton('name: "m"').warnings).toEqual([]);
  });

  it('is read from JSON as clients send it', () => {
    const json = {
      backend: 'onnxruntime',
      maxBatchSize: '8',
      input: [{ name: 'x', data_type: 'TYPE_FP32', dims: ['3'] }],
      version_policy: { specific: { versions: ['1', 2] } },
      dynamic_batching: {
        preferred_batch_size: [4],
        priorityLevels: 2,
        default_priority_level: 1,
        priority_queue_policy: { 1: { max_queue_size: 5 } },
      },
      parameters: { intra_op_thread_count: { string_value: '2' } },
      instance_group: [{ count: 1, kind: 'KIND_CPU' }],
    };
    const { settings, expects } = readTritonConfigJson(JSON.stringify(json), 'the configuration of m');
    expect(settings).toMatchObject({
      batching: { maxBatchSize: 8, preferredBatchSizes: [4] },
      versionPolicy: { specific: [1, 2] },
      priorities: { policies: { 1: { maxQueueRows: 5 } } },
      session: { threads: 2 },
    });
    expect(expects.inputs[0]).toEqual({ name: 'x', dtype: 'float32', shape: [-1, 3] });
    expect(() => readTritonConfigJson('{"max_batch_sise": 1}', 'it')).toThrow(
      'it: unknown field "max_batch_sise", did you mean',
    );
    expect(() => readTritonConfigJson('[', 'it')).toThrow(/it: is not JSON/);
    expect(() => readTritonConfigJson('{"input": {"name": [[]]}}', 'it')).toThrow(/a list or null/);
  });

  it('leaves a model without a largest batch as it is asked', () => {
    expect(triton('input { name: "x" dims: [ 2, -1 ] }')).toMatchObject({
      settings: { batching: { whole: true } },
      expects: { inputs: [{ name: 'x', dtype: null, shape: [2, -1] }] },
    });
  });

  it.each([
    ['backend: "python"', /backend "python": only ONNX models/],
    ['platform: "tensorrt_plan"', /platform "tensorrt_plan": only ONNX/],
    ['platform: "ensemble"', /ensemble cannot be served/],
    ['sequence_batching { }', /keep state/],
    ['max_batch_size: 4 dynamic_batching { preferred_batch_size: 8 }', /8 is more than max_batch_size 4/],
    [
      'dynamic_batching { priority_levels: 2 }',
      /default_priority_level must be from 1 to priority_levels \(2\), not 0/,
    ],
    ['max_batch_sise: 4', /config\.pbtxt:1:1: unknown field "max_batch_sise", did you mean "max_batch_size"/],
    ['version_policy { all { } latest { } }', /all and latest exclude each other/],
    ['input { name: "x" data_type: TYPE_BF16 }', /TYPE_BF16 is not served/],
    ['default_model_filename: "../../etc/passwd"', /not the name of a file/],
    ['model_warmup { inputs { key: "x" value { dims: -1 zero_data: true } } }', /every dimension must be given/],
    ['model_warmup { inputs { key: "x" value { input_data_file: "../x" } } }', /not the name of a file/],
  ])('%j cannot be served, and says why', (text, expected) => {
    expect(() => triton(text)).toThrow(expected);
  });

  it('is compared with the model', () => {
    const signature = {
      inputs: [{ name: 'x', dtype: 'float32' as const, shape: ['batch', 3] }],
      outputs: [{ name: 'y', dtype: 'float32' as const, shape: ['batch', 1] }],
    };
    const difference = (text: string): string | undefined =>
      differenceFrom(triton(`max_batch_size: 8 ${text}`).expects, signature)?.message;
    expect(difference('input { name: "x" data_type: TYPE_FP32 dims: 3 }')).toBeUndefined();
    expect(difference('')).toBeUndefined();
    expect(difference('input { name: "x" data_type: TYPE_FP32 dims: 4 }')).toMatch(
      /input "x" is declared as float32\[-1, 4\], and is float32\[batch, 3\] in the model/,
    );
    expect(difference('input { name: "x" data_type: TYPE_INT8 dims: 3 }')).toMatch(/declared as int8/);
    expect(difference('input { name: "X" dims: 3 }')).toMatch(/no input "X", did you mean "x"/);
    expect(difference('output { name: "z" dims: 1 }')).toMatch(/no output "z"/);
    expect(difference('input { name: "x" dims: [ 3, 1 ] }')).toMatch(/declared as/);
  });
});

describe('models.config', () => {
  const read = (text: string) => readModelsConfig(Buffer.from(text), '/etc/serving/models.config');

  it('lists models with their policies and labels', () => {
    const text = `model_config_list {
      config { name: 'half_plus_two' base_path: '/models/half' model_platform: 'tensorflow'
        model_version_policy { specific { versions: 42 versions: 43 } }
        version_labels { key: 'stable' value: 42 } version_labels { key: 'canary' value: 43 } }
      config: { name: "b", base_path: "s3://bucket/b", model_version_policy: { latest: { num_versions: 2 } } }
      config { name: "c" base_path: "c" model_version_policy { all {} } logging_config { } }
    }`;
    const { entries, warnings } = read(text);
    expect(entries).toEqual([
      {
        name: 'half_plus_two',
        path: '/models/half',
        settings: { versionPolicy: { specific: [42, 43] }, labels: { stable: 42, canary: 43 } },
      },
      { name: 'b', path: 's3://bucket/b', settings: { versionPolicy: { latest: 2 } } },
      { name: 'c', path: '/etc/serving/c', settings: { versionPolicy: { all: true } } },
    ]);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(/logging_config is of no effect/);
  });

  it.each([
    ['model_config_list { config { name: "a" base_path: "/a" } config { name: "a" base_path: "/b" } }', /given twice/],
    ['model_config_list { config { name: "a" } }', /"a" has no base_path/],
    ['model_config_list { config { name: "../a" base_path: "/a" } }', /cannot be the name/],
    ['model_config_list { config { nam: "a" } }', /models\.config:1:30: unknown field "nam", did you mean "name"/],
    ['custom_model_config { }', /cannot be read/],
    [
      'model_config_list { config { name: "a" base_path: "/a" model_version_policy { specific { } } } }',
      /names no versions/,
    ],
  ])('%j is wrong', (text, expected) => {
    expect(() => read(text)).toThrow(expected);
  });
});

describe('batching_parameters', () => {
  const read = (text: string) => readBatchingParameters(Buffer.from(text), 'batching.txt');

  it('bounds batches, delays and queues', () => {
    const { batching, warnings } = read(
      'max_batch_size { value: 128 } batch_timeout_micros { value: 1500 } max_enqueued_batches { value: 10 } num_batch_threads { value: 4 } allowed_batch_sizes: 32 allowed_batch_sizes: 128 pad_variable_length_inputs: true enable_large_batch_splitting: false',
    );
    expect(batching).toEqual({
      maxBatchSize: 128,
      maxDelayMs: 1.5,
      maxQueueRows: 1280,
      paddingBuckets: { rows: [32, 128], dims: 'powers', value: 'first' },
      splitOversize: false,
    });
    expect(warnings).toEqual([expect.stringContaining('num_batch_threads is of no effect')]);
  });

  it.each([
    ['allowed_batch_sizes: [ 4, 2 ]', /increasing order/],
    ['max_batch_size { value: 8 } allowed_batch_sizes: 4', /must be the largest batch, 8/],
    ['max_batch_size { value: 0 }', /at least 1/],
  ])('%j is wrong', (text, expected) => {
    expect(() => read(text)).toThrow(expected);
    expect(() => read(text)).toThrow(expect.toSatisfy((error) => hasCode(error, 'SERVING_CONFIG_INVALID')) as Error);
  });
});

describe('a serving configuration', () => {
  const read = (config: unknown) =>
    readServingConfig(Buffer.from(JSON.stringify(config)), '/etc/slipway/serve.json').entries;

  it('says all of it in one file', () => {
    const settings = {
      batching: { maxBatchSize: 4, paddingBuckets: { rows: [2, 4] } },
      versionPolicy: { specific: [1, 2] },
      labels: { stable: 1 },
      warmUp: { data: 'random', dims: { sequence: 8 } },
      pinned: true,
    };
    expect(
      read({ defaults: { instances: 2 }, models: { a: { path: 'a', ...settings }, b: { path: 's3://b/x' } } }),
    ).toEqual([
      { name: 'a', path: '/etc/slipway/a', settings: { instances: 2, ...settings } },
      { name: 'b', path: 's3://b/x', settings: { instances: 2 } },
    ]);
  });

  it.each([
    [{ models: { a: { path: 'a', batchng: {} } } }, /models\.a: unknown key "batchng", did you mean "batching"/],
    [
      { models: { a: { path: 'a', batching: { maxBatchSize: 0 } } } },
      /models\.a\.batching\.maxBatchSize: must be at least 1/,
    ],
    [{ models: { a: {} } }, /models\.a\.path: is missing/],
    [{ models: { '../a': { path: 'a' } } }, /cannot be the name/],
    [{}, /models: is missing/],
  ])('%j is wrong', (config, expected) => {
    expect(() => read(config)).toThrow(expected);
  });
});
