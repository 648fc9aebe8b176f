/** Which output of a model is its scores, which its labels, which its value; and when there is no telling. */
import type { Signature, Tensor, Tensors } from '@slipway/core';
import { describe, expect, it } from 'vitest';
import { type Classification, classificationOf, regressionOf } from './results.ts';

const floats = (shape: number[], ...data: number[]): Tensor => ({
  dtype: 'float32',
  shape,
  data: new Float32Array(data),
});
const texts = (shape: number[], ...data: string[]): Tensor => ({ dtype: 'string', shape, data });
const integers = (shape: number[], ...data: number[]): Tensor => ({
  dtype: 'int32',
  shape,
  data: new Int32Array(data),
});

function signatureOf(outputs: Tensors): Signature {
  const specs = Object.entries(outputs).map(([name, { dtype, shape }]) => ({ name, dtype, shape }));
  return { inputs: [], outputs: specs };
}

const classify = (outputs: Tensors, names: readonly string[] | null = null): Classification =>
  classificationOf(signatureOf(outputs), outputs, names);

const pairs = ({ rows, classes, label, score }: Classification): unknown[][] =>
  Array.from({ length: rows }, (_, row) =>
    Array.from({ length: classes }, (__, index) => [label(row, index), score(row, index)]),
  );

describe('classify', () => {
  const scores = floats([1, 2], 0.25, 0.75);
  it.each<[string, Tensors, string[] | null, unknown[][]]>([
    [
      'numbers the classes',
      { y: scores },
      null,
      [
        [
          ['0', 0.25],
          ['1', 0.75],
        ],
      ],
    ],
    [
      'names them as the release does',
      { y: scores },
      ['a', 'b'],
      [
        [
          ['a', 0.25],
          ['b', 0.75],
        ],
      ],
    ],
    [
      'not by names of something else',
      { y: scores },
      ['a', 'b', 'c'],
      [
        [
          ['0', 0.25],
          ['1', 0.75],
        ],
      ],
    ],
    [
      'takes the output called scores',
      { other: floats([1, 3], 1, 2, 3), scores },
      null,
      [
        [
          ['0', 0.25],
          ['1', 0.75],
        ],
      ],
    ],
    [
      'takes labels of the model first',
      { scores, classes: texts([1, 2], 'x', 'y') },
      ['a', 'b'],
      [
        [
          ['x', 0.25],
          ['y', 0.75],
        ],
      ],
    ],
    [
      'takes labels as they are called',
      { score: floats([2], 1, 2), label: texts([2], 'x', 'y') },
      null,
      [[['x', 1]], [['y', 2]]],
    ],
    [
      'leaves predicted indices alone',
      { label: integers([1], 1), probabilities: scores },
      null,
      [
        [
          ['0', 0.25],
          ['1', 0.75],
        ],
      ],
    ],
    [
      'takes the indices of the best classes as labels',
      { score: floats([1, 2], 0.75, 0.25), label: integers([1, 2], 7, 0) },
      null,
      [
        [
          ['7', 0.75],
          ['0', 0.25],
        ],
      ],
    ],
    [
      'names the classes that indices are of',
      { score: floats([2], 1, 2), label: integers([2], 1, 9) },
      ['a', 'b'],
      [[['b', 1]], [['9', 2]]],
    ],
    [
      'gives labels without scores',
      { classes: texts([1, 2], 'x', 'y') },
      null,
      [
        [
          ['x', 0],
          ['y', 0],
        ],
      ],
    ],
  ])('%s', (_, outputs, names, expected) => {
    expect(pairs(classify(outputs, names))).toEqual(expected);
  });

  it.each<[string, Tensors]>([
    ['several outputs of floats', { a: scores, b: scores }],
    ['a picture', { a: floats([1, 1, 2, 2], 1, 2, 3, 4) }],
    ['integers only', { a: integers([1], 1) }],
  ])('does not guess: %s', (_, outputs) => {
    expect(() => classify(outputs)).toThrow('Classify needs an output of floats');
  });
});

describe('regress', () => {
  it('takes one column, or the output called outputs', () => {
    const column = floats([2, 1], 1.5, 2);
    expect([...regressionOf(signatureOf({ y: column }), { y: column })]).toEqual([1.5, 2]);
    const two = { y: integers([2], 7, 8), outputs: column };
    expect([...regressionOf(signatureOf(two), two)]).toEqual([1.5, 2]);
    const beside = { wide: floats([2, 2], 1, 2, 3, 4), y: integers([2], 7, 8) };
    expect([...regressionOf(signatureOf(beside), beside)]).toEqual([7, 8]);
  });

  it('does not guess', () => {
    const two = { a: floats([1], 1), b: floats([1], 2) };
    expect(() => regressionOf(signatureOf(two), two)).toThrow('[batch_size, 1]');
  });
});
