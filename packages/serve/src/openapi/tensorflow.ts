/** TensorFlow Serving's REST API, of one model. */
import type { Tensors } from '@slipway/core';
import { base64Json, type Described, type Operation, type Protocol } from './operation.ts';
import { nestedSchema, objectOf, rowSpec, type Schema } from './schema.ts';

const TAG = 'TensorFlow Serving';

export const tensorflowProtocol: Protocol = {
  tag: TAG,
  description: 'The REST API of TensorFlow Serving: `instances` by row or `inputs` by name.',
  server: () => [],
  model(of) {
    const { model } = of;
    const base = `/v1/models/${model}`;
    const common = { tag: TAG, infers: false };
    return [
      predict(of, base),
      {
        ...common,
        path: base,
        method: 'get',
        id: `tensorflow_status_${model}`,
        summary: 'State of every version',
        answer: objectOf([
          ['name', { type: 'string' }],
          ['ready', { type: 'boolean' }],
          [
            'model_version_status',
            {
              type: 'array',
              items: objectOf([
                ['version', { type: 'string' }],
                ['state', { type: 'string', enum: ['START', 'LOADING', 'AVAILABLE', 'UNLOADING', 'END'] }],
                [
                  'status',
                  objectOf([
                    ['error_code', { type: 'string' }],
                    ['error_message', { type: 'string' }],
                  ]),
                ],
              ]),
            },
          ],
        ]),
      },
      {
        ...common,
        path: `${base}/metadata`,
        method: 'get',
        id: `tensorflow_metadata_${model}`,
        summary: 'Inputs and outputs',
        answer: { type: 'object', required: ['model_spec', 'metadata'] },
      },
    ];
  },
};

function predict({ model, signature, example }: Described, base: string): Operation {
  const { inputs, outputs } = signature;
  const [only] = inputs;
  const single = only !== undefined && inputs.length === 1;
  const named = objectOf(inputs.map((spec) => [spec.name, nestedSchema(spec, 'read')]));
  const row = objectOf(inputs.map((spec) => [spec.name, nestedSchema(rowSpec(spec), 'read')]));
  const byRow = inputs.every(({ shape }) => typeof shape?.[0] === 'string');
  const rows: Schema = { type: 'array', items: row, minItems: 1 };
  const instances = single ? { anyOf: [nestedSchema(only, 'read'), ...(byRow ? [rows] : [])] } : rows;
  const columns = single ? { anyOf: [nestedSchema(only, 'read'), named] } : named;
  const signatureName: readonly [string, Schema] = ['signature_name', { type: 'string', const: 'serving_default' }];
  const alternatives = [
    ...(single || byRow ? [objectOf([['instances', instances], signatureName], ['signature_name'])] : []),
    objectOf([['inputs', columns], signatureName], ['signature_name']),
  ];
  return {
    path: `${base}:predict`,
    method: 'post',
    id: `tensorflow_predict_${model}`,
    tag: TAG,
    summary: 'Predict',
    description:
      '`instances` has one element per row, `inputs` one tensor per name. Bytes are `{"b64": "…"}`. The bare tokens NaN and Infinity are taken and given, as TensorFlow Serving does.',
    request: {
      schema: { oneOf: alternatives },
      ...(example === null ? {} : { example: requestExample(example.inputs, single, byRow) }),
    },
    answer: {
      oneOf: [
        objectOf([
          ['predictions', outputs.length === 1 && outputs[0] ? nestedSchema(outputs[0], 'bare') : { type: 'array' }],
        ]),
        objectOf([
          [
            'outputs',
            outputs.length === 1 && outputs[0]
              ? nestedSchema(outputs[0], 'bare')
              : objectOf(outputs.map((spec) => [spec.name, nestedSchema(spec, 'bare')])),
          ],
        ]),
      ],
    },
    infers: true,
  };
}

function requestExample(inputs: Tensors, single: boolean, byRow: boolean): unknown {
  const json = Object.entries(inputs).map(([name, value]): [string, unknown] => [name, base64Json(value)]);
  if (single) return { instances: json[0]?.[1] };
  if (!byRow) return { inputs: Object.fromEntries(json) };
  const count = Math.min(...json.map(([, value]) => (value as unknown[]).length));
  const row = (index: number): unknown =>
    Object.fromEntries(json.map(([name, value]) => [name, (value as unknown[])[index]]));
  return { instances: Array.from({ length: count }, (_, index) => row(index)) };
}
