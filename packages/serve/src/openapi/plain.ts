/** `POST /predict/NAME`. */
import { tensorToJson } from '@slipway/core';
import { type Protocol, textExample } from './operation.ts';
import { nestedSchema, objectOf, rowSpec } from './schema.ts';

const TAG = 'Plain';

export const plainProtocol: Protocol = {
  tag: TAG,
  description: 'The input as it is in, `{"prediction": …}` out.',
  server: () => [],
  model({ model, signature, example: given }) {
    const example = textExample(given);
    const [only] = signature.inputs;
    const [output] = signature.outputs;
    const single = only !== undefined && signature.inputs.length === 1;
    const byName = objectOf(signature.inputs.map((spec) => [spec.name, nestedSchema(spec, 'read')]));
    const row = single && typeof only.shape?.[0] === 'string' ? [nestedSchema(rowSpec(only), 'read')] : [];
    const value = single
      ? tensorToJson(Object.values(example?.inputs ?? {})[0] ?? { dtype: 'bool', shape: [0], data: new Uint8Array(0) })
      : Object.fromEntries(Object.entries(example?.inputs ?? {}).map(([name, of]) => [name, tensorToJson(of)]));
    const oneOf = (direction: 'one' | 'rows'): unknown =>
      output !== undefined && signature.outputs.length === 1
        ? nestedSchema(direction === 'rows' ? output : rowSpec(output), 'written')
        : objectOf(
            signature.outputs.map((spec) => [
              spec.name,
              nestedSchema(direction === 'rows' ? spec : rowSpec(spec), 'written'),
            ]),
          );
    return [
      {
        path: `/predict/${model}`,
        method: 'post',
        id: `plain_predict_${model}`,
        tag: TAG,
        summary: 'Predict',
        description: 'Rows, or one row without its batch axis; then the answer is one row too.',
        request: {
          schema: single ? { anyOf: [nestedSchema(only, 'read'), ...row, byName] } : byName,
          ...(example === null ? {} : { example: value }),
        },
        answer: objectOf([['prediction', { anyOf: [oneOf('rows'), oneOf('one')] }]]),
        infers: true,
      },
    ];
  },
};
