import { describe, expect, it } from 'vitest';
import type { Signature } from '../signature.ts';
import { transform, type Transforms } from '../transforms.ts';
import { describeField, type Fields, traceInputs, traceOutputs, TransformProblem } from './trace.ts';

const TEXT: Signature = {
  inputs: [
    { name: 'input_ids', dtype: 'int64', shape: ['n', 's'] },
    { name: 'input_mask', dtype: 'int64', shape: ['n', 's'] },
  ],
  outputs: [{ name: 'logits', dtype: 'float32', shape: ['n', 2] }],
};
const IMAGE: Signature = {
  inputs: [{ name: 'image', dtype: 'float32', shape: ['n', 3, 224, 224] }],
  outputs: [
    { name: 'scores', dtype: 'float32', shape: ['n', 1000] },
    { name: 'tokens', dtype: 'float32', shape: ['n', 's', 64] },
    { name: 'class', dtype: 'int64', shape: ['n'] },
  ],
};
const tokenize = transform.tokenize({ from: 'text', tokenizer: 't.json', ids: 'input_ids', mask: 'input_mask' });
const photo = [
  transform.decodeImage({ from: 'photo', to: 'image' }),
  transform.resize({ from: 'image', size: 256 }),
  transform.crop({ from: 'image', size: [224, 224] }),
  transform.normalize({ from: 'image', scale: 1 / 255, mean: [0.4, 0.4, 0.4] }),
  transform.transpose({ from: 'image', order: [2, 0, 1] }),
];

const shown = (fields: Fields): Record<string, string> =>
  Object.fromEntries([...fields].map(([name, field]) => [name, describeField(field)]));
const problemOf = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    if (error instanceof TransformProblem) return `${error.where} ${error.message}`;
    throw error;
  }
  return 'none';
};

describe('what a client sends', () => {
  it('is what the model takes when nothing is transformed', () => {
    expect(shown(traceInputs({}, IMAGE))).toEqual({ image: 'float32[3, 224, 224]' });
  });

  it('is text where tokens are wanted, and an image where pixels are', () => {
    expect(shown(traceInputs({ inputs: [tokenize] }, TEXT))).toEqual({ text: 'text' });
    expect(shown(traceInputs({ inputs: photo }, IMAGE))).toEqual({ photo: 'image' });
  });

  it('is known before every step', () => {
    const before = (i: number): unknown => shown(traceInputs({ inputs: photo }, IMAGE, i));
    expect(before(4)).toEqual({ image: 'float32[224, 224, 3]' });
    expect(before(3)).toEqual({ image: 'uint8[224, 224, 3]' });
    expect(before(2)).toEqual({ image: 'uint8[?, ?, 3]' });
  });

  it.each<[string, Transforms['inputs'], Signature, string]>([
    [
      'a name nobody reads',
      [{ ...tokenize, ids: 'input_idz' }],
      TEXT,
      'inputs[0] writes "input_idz", which no later step and no input of the model reads; wanted are "input_ids", "input_mask", did you mean "input_ids"?',
    ],
    [
      'tokens into an image',
      [{ ...tokenize, ids: 'image', mask: undefined }],
      IMAGE,
      'inputs[0] gives token ids, int64[length]; "image" is float32[3, 224, 224]',
    ],
    [
      'pixels into floats',
      photo.slice(0, 1),
      IMAGE,
      'inputs[0] gives pixels, uint8[height, width, channels]; "image" is float32[3, 224, 224]: add normalize and transpose steps between',
    ],
    [
      'the wrong number of channels',
      [photo[0]!, { ...photo[3]!, mean: [1, 2] } as never, photo[4]!],
      IMAGE,
      'inputs[1] mean: 2 numbers for the 3 channels along axis -1',
    ],
    [
      'one channel for three',
      [{ ...photo[0]!, color: 'gray' } as never, ...photo.slice(1)],
      IMAGE,
      `inputs[0] gives 1 channels (color: 'gray'), "image" has 3`,
    ],
    [
      'an axis that is not there',
      [photo[0]!, { ...photo[3]!, axis: 5 } as never, photo[4]!],
      IMAGE,
      'inputs[1] axis: 5 is not one of the 3 axes of a row',
    ],
    [
      'a division by zero',
      [photo[0]!, { ...photo[3]!, std: 0 } as never, photo[4]!],
      IMAGE,
      'inputs[1] std: 0 cannot be divided by',
    ],
    [
      'the wrong size',
      [photo[0]!, { ...photo[2]!, size: [200, 224] } as never, ...photo.slice(3)],
      IMAGE,
      'inputs[1] gives 200 × 224 pixels, "image" takes 224 × 224',
    ],
    [
      'no order at all',
      [{ ...photo[4]!, order: [0, 0, 1] } as never],
      IMAGE,
      'inputs[0] order: [0, 0, 1] is not an order of 3 axes',
    ],
    [
      'an order of other axes',
      [{ ...photo[4]!, order: [1, 0] } as never],
      IMAGE,
      'inputs[0] order: 2 axes, a row has 3',
    ],
  ])('refuses %s', (_, inputs, signature, expected) => {
    expect(problemOf(() => traceInputs({ inputs }, signature))).toBe(expected);
  });

  it('asks for full padding where the model takes a fixed number of tokens', () => {
    const fixed: Signature = { ...TEXT, inputs: [{ name: 'input_ids', dtype: 'int64', shape: ['n', 64] }] };
    const step = { ...tokenize, mask: undefined };
    expect(problemOf(() => traceInputs({ inputs: [step] }, fixed))).toContain(`set padding: 'max' and maxLength: 64`);
    const full = { ...step, padding: 'max' as const, maxLength: 64 };
    expect(shown(traceInputs({ inputs: [full] }, fixed))).toEqual({ text: 'text' });
  });
});

describe('what a client gets', () => {
  it('is what the last step gives, with the outputs nothing touched', () => {
    const outputs = [transform.softmax({ from: 'scores' }), transform.classify({ from: 'scores', top: 5 })];
    expect(shown(traceOutputs({ outputs }, IMAGE, null))).toEqual({
      tokens: 'float32[s, 64]',
      class: 'int64[]',
      label: 'int64[5]',
      score: 'float32[5]',
    });
    expect(shown(traceOutputs({ outputs }, IMAGE, 1000))['label']).toBe('string[5]');
    const pool = transform.meanPool({ from: 'tokens', to: 'vector' });
    expect(shown(traceOutputs({ outputs: [pool] }, IMAGE, null))['vector']).toBe('float32[64]');
  });

  it.each<[string, Transforms['outputs'], number | null, string]>([
    [
      'a value that is gone',
      [transform.softmax({ from: 'scores', to: 'p' }), transform.sigmoid({ from: 'scores' })],
      null,
      'outputs[1] reads "scores", which is not there; there are "tokens", "class", "p"',
    ],
    [
      'numbers that are not floating-point',
      [transform.softmax({ from: 'class' })],
      null,
      'outputs[0] takes floating-point numbers, "class" is int64',
    ],
    [
      'a name that is taken',
      [transform.softmax({ from: 'scores', to: 'class' })],
      null,
      'outputs[0] writes "class", which is already there',
    ],
    [
      'more classes than there are',
      [transform.classify({ from: 'scores', top: 1001 })],
      null,
      'outputs[0] top: 1001 of 1000 classes',
    ],
    [
      'other labels than classes',
      [transform.classify({ from: 'scores' })],
      10,
      'outputs[0] the config names 10 labels, "scores" has 1000 classes',
    ],
    [
      'scores that are vectors',
      [transform.classify({ from: 'tokens' })],
      null,
      'outputs[0] takes one score per class, "tokens" is float32[s, 64]',
    ],
    [
      'a mask the model does not have',
      [transform.meanPool({ from: 'tokens', mask: 'imag' })],
      null,
      'outputs[0] mask: the model has no input "imag"; it has "image", did you mean "image"?',
    ],
  ])('refuses %s', (_, outputs, labels, expected) => {
    expect(problemOf(() => traceOutputs({ outputs }, IMAGE, labels))).toBe(expected);
  });
});
