import { tensor } from '@slipway/core';
import { describe, expect, it } from 'vitest';
import { styleFor } from '../frame/style.ts';
import { answersOf, renderAnswers } from './answers.ts';

const style = styleFor({}, {});
const scores = { y: tensor('float32', [2, 3], new Float32Array([0.1, 0.7, 0.2, 0.5, 0.25, 0.25])) };

describe('answers', () => {
  it('are the best classes, as probabilities when they add up to one', () => {
    const answers = answersOf(scores, ['cat', 'dog', 'owl'], 2);
    expect(answers).toMatchObject({
      probabilities: true,
      rows: [
        [{ label: 'dog' }, { label: 'owl' }],
        [{ label: 'cat' }, {}],
      ],
    });
    const text = renderAnswers({ model: 'm', from: 'here', outputs: scores, answers }, style);
    expect(text).toContain('dog');
    expect(text).toContain('70.00 %');
  });

  it('see through axes of size 1', () => {
    const outputs = { y: tensor('float32', [1, 2, 1, 1], new Float32Array([1, 2])) };
    expect(answersOf(outputs, null, 1)?.rows).toEqual([[{ index: 1, label: null, score: 2 }]]);
  });

  it('are scores without labels otherwise', () => {
    const outputs = { y: tensor('float32', [1, 2], new Float32Array([-5, 3])) };
    const answers = answersOf(outputs, null, 3);
    expect(answers?.probabilities).toBe(false);
    expect(renderAnswers({ model: 'm', from: 'here', outputs, answers }, style)).toMatch(/class 1\s+3\.000/);
  });

  it('are the values when there are no classes', () => {
    const outputs = { y: tensor('float32', [2], new Float32Array([1, 2.5])) };
    expect(answersOf(outputs, null, 3)).toBeNull();
    expect(renderAnswers({ model: 'm', from: 'here', outputs, answers: null }, style)).toContain('[1,2.5]');
  });
});
