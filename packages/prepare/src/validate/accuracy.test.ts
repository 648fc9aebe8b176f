import { tensor } from '@slipway/core';
import { describe, expect, it } from 'vitest';
import { correctRows, expectedAnswers } from './accuracy.ts';

const scores = tensor('float32', [3, 2], Float32Array.of(0.9, 0.1, 0.2, 0.8, 0.4, 0.6));

describe('expected answers', () => {
  it('are indices, one-hot rows, or names', () => {
    expect(expectedAnswers(tensor('uint8', [3], Uint8Array.of(0, 1, 1)), 3, null)).toEqual([0, 1, 1]);
    expect(expectedAnswers(tensor('int64', [3], BigInt64Array.of(0n, 1n, 1n)), 3, null)).toEqual([0, 1, 1]);
    expect(expectedAnswers(tensor('float32', [2, 2], Float32Array.of(1, 0, 0, 1)), 2, null)).toEqual([0, 1]);
    expect(expectedAnswers(tensor('string', [2], ['dog', 'cat']), 2, ['cat', 'dog'])).toEqual([1, 0]);
    expect(expectedAnswers(tensor('string', [2], ['dog', 'cat']), 2, null)).toEqual(['dog', 'cat']);
  });

  it.each([
    [tensor('uint8', [2], Uint8Array.of(0, 1)), '2 labels for 3 rows'],
    [tensor('float32', [3], Float32Array.of(0, 0.5, 1)), 'the label of row 1 is 0.5'],
    [tensor('string', [3], ['cat', 'cow', 'dog']), 'label "cow" of row 1 is not among the labels'],
  ])('fail clearly', (labels, message) => {
    expect(() => expectedAnswers(labels, 3, ['cat', 'dog'])).toThrow(message);
  });
});

describe('correct rows', () => {
  it('compare the largest score, the answer itself, or text', () => {
    expect([...correctRows(scores, 'y', [0, 1, 0])]).toEqual([1, 1, 0]);
    expect([...correctRows(tensor('int64', [3], BigInt64Array.of(0n, 1n, 1n)), 'y', [0, 1, 0])]).toEqual([1, 1, 0]);
    expect([...correctRows(tensor('string', [2], ['cat', 'dog']), 'y', ['cat', 'cat'])]).toEqual([1, 0]);
  });

  it('fail on labels that are no class and on outputs that are no answer', () => {
    expect(() => correctRows(scores, 'y', [0, 1, 2])).toThrow('a label is 2, but output "y" has the classes 0 to 1');
    const regression = tensor('float32', [3, 1], Float32Array.of(1, 2, 3));
    expect(() => correctRows(regression, 'y', [1, 2, 3])).toThrow('accuracy cannot be read from output "y"');
  });
});
