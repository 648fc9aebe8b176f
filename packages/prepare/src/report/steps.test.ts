import type { Divergence, Parity, TensorError } from '@slipway/core';
import { describe, expect, it } from 'vitest';
import { describeDivergence, describeStep, stepNotes } from './steps.ts';

const error = (sqnrDb: number | null, notFinite: TensorError['notFinite'] = null): TensorError => ({
  sqnrDb,
  notFinite,
});
const at = (before: TensorError | null, after: TensorError, names = ['conv4']): Divergence => ({
  nodes: names.map((name) => ({ name, operator: 'Conv' })),
  tensor: 't',
  before,
  after,
  tensors: 10,
});
const parity = (sqnrDb: number | null): Parity => ({
  rows: 8,
  sqnrDb,
  cosine: 1,
  maxAbsoluteError: 0,
  argmaxAgreement: 1,
});

describe('a divergence in words', () => {
  it.each<[Divergence, string]>([
    [at(error(45.12), error(3)), 'first diverges at node "conv4" (Conv): SQNR 45.1 dB before it, SQNR 3.0 dB after it'],
    [
      at(error(null), error(3, 'NaN')),
      'first diverges at node "conv4" (Conv): no difference before it, NaN values after it',
    ],
    [
      at(null, error(3), ['a', 'b', 'c']),
      'first diverges at one of 3 nodes that the other model computes together, "a" (Conv) to "c" (Conv): nothing but inputs and constants before them, SQNR 3.0 dB after them',
    ],
    [
      at(error(11.5), error(9.5)),
      'diverges little by little, as far as in the outputs by node "conv4" (Conv): SQNR 11.5 dB before it, SQNR 9.5 dB after it',
    ],
  ])('%#', (divergence, words) => expect(describeDivergence(divergence)).toBe(words));
});

describe('a step in words', () => {
  it('is worth a line of the terminal only when it moves the outputs far', () => {
    const step = (sqnrDb: number | null) =>
      ({ pass: 'simplify', parity: parity(sqnrDb), divergence: null, note: null }) as const;
    expect(stepNotes({ steps: [step(null), step(34), step(3)] })).toEqual(['after simplify: SQNR 3.0 dB on 8 rows']);
    expect(describeStep(step(null))).toBe('identical outputs on 8 rows');
  });

  it('says why it was not compared', () => {
    const note = 'not compared: it takes only the shapes that `inputShapes` names';
    expect(describeStep({ pass: 'simplify', parity: null, divergence: null, note })).toBe(note);
  });
});
