/** `POST /predict/NAME`, and TorchServe's `POST /predictions/NAME`, which takes the same and gives it bare. */
import { tensorToJson } from '@slipway/core';
import { type Described, type Operation, type Protocol, textExample } from './operation.ts';
import { nestedSchema, objectOf, rowSpec, type Schema } from './schema.ts';

export const plainProtocol: Protocol = {
  tag: 'Plain',
  description: 'The input as it is in, `{"prediction": …}` out.',
  server: () => [],
  model(of) {
    const { request, answer } = plainBodies(of);
    return [
      {
        path: `/predict/${of.model}`,
        method: 'post',
        id: `plain_predict_${of.model}`,
        tag: 'Plain',
        summary: 'Predict',
        description: 'Rows, or one row without its batch axis; then the answer is one row too.',
        request,
        answer: objectOf([['prediction', answer]]),
        infers: true,
      },
    ];
  },
};

export const torchserveProtocol: Protocol = {
  tag: 'TorchServe',
  description: 'Its inference API, and its errors: `code`, `type` and `message`.',
  server: () => [],
  model(of) {
    const { request, answer } = plainBodies(of);
    return [
      {
        path: `/predictions/${of.model}`,
        method: 'post',
        id: `torchserve_predictions_${of.model}`,
        tag: 'TorchServe',
        summary: 'Predict',
        description: 'The input as it is, or in the field `data`; the outputs as they are.',
        request,
        answer,
        errors: 'TorchServeError',
        infers: true,
      },
    ];
  },
};

function plainBodies({ signature, example: given }: Described): {
  request: NonNullable<Operation['request']>;
  answer: Schema;
} {
  const example = textExample(given);
  const [only] = signature.inputs;
  const [output] = signature.outputs;
  const single = only !== undefined && signature.inputs.length === 1;
  const byName = objectOf(signature.inputs.map((spec) => [spec.name, nestedSchema(spec, 'read')]));
  const row = single && typeof only.shape?.[0] === 'string' ? [nestedSchema(rowSpec(only), 'read')] : [];
  const json = Object.entries(example?.inputs ?? {}).map(([name, of]): [string, unknown] => [name, tensorToJson(of)]);
  const written = (specOf: typeof rowSpec): Schema =>
    output !== undefined && signature.outputs.length === 1
      ? nestedSchema(specOf(output), 'written')
      : objectOf(signature.outputs.map((spec) => [spec.name, nestedSchema(specOf(spec), 'written')]));
  return {
    request: {
      schema: single ? { anyOf: [nestedSchema(only, 'read'), ...row, byName] } : byName,
      ...(example === null ? {} : { example: single ? json[0]?.[1] : Object.fromEntries(json) }),
    },
    answer: { anyOf: [written((spec) => spec), written(rowSpec)] },
  };
}
