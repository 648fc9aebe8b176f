/** The Open Inference Protocol v2, of one model and of the server. */
import { OIP_DATATYPE, type Tensor, tensorToJson, type TensorSpec } from '@slipway/core';
import { type Described, type Operation, type Protocol, textExample } from './operation.ts';
import { elementSchema, objectOf, type Schema } from './schema.ts';

const TAG = 'Open Inference Protocol';

const text: Schema = { type: 'string' };
const texts: Schema = { type: 'array', items: text };
const sizes: Schema = { type: 'array', items: { type: 'integer', minimum: -1 } };
const tensorMetadata = objectOf([
  ['name', text],
  ['datatype', text],
  ['shape', sizes],
]);

const get = (path: string, id: string, summary: string, answer: Schema | null): Operation => ({
  path,
  method: 'get',
  id,
  tag: TAG,
  summary,
  answer,
  infers: false,
});

export const inferenceProtocol: Protocol = {
  tag: TAG,
  description: 'The Open Inference Protocol v2 of KServe and Triton, with binary tensors.',
  server: () => [
    get('/v2', 'inference_server', 'Name, version and extensions of the server', {
      type: 'object',
      required: ['name', 'version', 'extensions'],
      properties: { name: text, version: text, extensions: texts },
    }),
    get('/v2/health/live', 'inference_live', 'Is the server alive?', null),
    get('/v2/health/ready', 'inference_ready', 'Are all models ready?', null),
    {
      path: '/v2/repository/index',
      method: 'post',
      id: 'inference_index',
      tag: TAG,
      summary: 'Every model and its state',
      request: {
        schema: { type: 'object', properties: { ready: { type: 'boolean' } } },
        example: { ready: true },
        required: false,
      },
      answer: {
        type: 'array',
        items: objectOf([
          ['name', text],
          ['version', text],
          ['state', text],
          ['reason', text],
        ]),
      },
      infers: false,
    },
  ],
  model(of) {
    const base = `/v2/models/${of.model}`;
    return [
      infer(of, base),
      get(base, `inference_metadata_${of.model}`, 'Inputs and outputs', {
        type: 'object',
        required: ['name', 'versions', 'platform', 'inputs', 'outputs'],
        properties: {
          name: text,
          versions: texts,
          platform: text,
          inputs: { type: 'array', items: tensorMetadata },
          outputs: { type: 'array', items: tensorMetadata },
        },
      }),
      get(`${base}/ready`, `inference_model_ready_${of.model}`, 'Is the model ready?', null),
      get(`${base}/config`, `inference_config_${of.model}`, 'Its configuration, as Triton words it', {
        type: 'object',
      }),
      get(`${base}/stats`, `inference_stats_${of.model}`, 'What it has done so far', {
        type: 'object',
        required: ['model_stats'],
      }),
    ];
  },
};

function infer({ model, signature, example: given }: Described, base: string): Operation {
  const example = textExample(given);
  return {
    path: `${base}/infer`,
    method: 'post',
    id: `inference_infer_${model}`,
    tag: TAG,
    summary: 'Infer',
    description:
      '`data` is flat, in row-major order, or nested as `shape` says. Binary tensors follow the JSON when the header Inference-Header-Content-Length gives its length.',
    request: {
      schema: {
        type: 'object',
        required: ['inputs'],
        properties: {
          id: text,
          inputs: {
            type: 'array',
            minItems: signature.inputs.length,
            maxItems: signature.inputs.length,
            items: { anyOf: signature.inputs.map((spec) => tensorSchema(spec, 'read')) },
          },
          outputs: {
            type: 'array',
            items: {
              type: 'object',
              required: ['name'],
              properties: { name: { enum: signature.outputs.map(({ name }) => name) } },
            },
          },
        },
      },
      ...(example === null
        ? {}
        : {
            example: {
              inputs: signature.inputs.map(({ name, dtype }) => {
                const tensor = example.inputs[name] as Tensor;
                return { name, shape: tensor.shape, datatype: OIP_DATATYPE[dtype], data: flat(tensor) };
              }),
            },
          }),
    },
    answer: objectOf(
      [
        ['model_name', { const: model }],
        ['model_version', text],
        ['id', text],
        ['parameters', { type: 'object' }],
        [
          'outputs',
          { type: 'array', items: { anyOf: signature.outputs.map((spec) => tensorSchema(spec, 'written')) } },
        ],
      ],
      ['id', 'parameters'],
    ),
    infers: true,
  };
}

const flat = (value: Tensor): unknown => tensorToJson({ ...value, shape: [value.data.length] });

function tensorSchema(spec: TensorSpec, direction: 'read' | 'written'): Schema {
  const rank = spec.shape?.length;
  return {
    type: 'object',
    required: ['name', 'shape', 'datatype', 'data'],
    properties: {
      name: { const: spec.name },
      shape: {
        type: 'array',
        items: { type: 'integer', minimum: direction === 'read' ? 1 : 0 },
        ...(rank === undefined ? {} : { minItems: rank, maxItems: rank }),
      },
      datatype: { const: OIP_DATATYPE[spec.dtype] },
      parameters: { type: 'object' },
      data: {
        type: 'array',
        ...(direction === 'read' ? { minItems: 1 } : {}),
        items:
          direction === 'written'
            ? elementSchema(spec.dtype, 'written')
            : { anyOf: [elementSchema(spec.dtype, 'read'), { type: 'array' }] },
      },
    },
  };
}
