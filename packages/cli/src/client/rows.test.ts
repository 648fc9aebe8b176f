import { DTYPES, type Signature, validateInputs } from '@slipway/core';
import { describe, expect, it } from 'vitest';
import { calls, rowsMadeUp } from './rows.ts';

describe('made-up rows', () => {
  it.each(DTYPES)('fit a signature of %s, free or fixed', (dtype) => {
    for (const first of ['batch', 1, 4]) {
      const signature: Signature = { inputs: [{ name: 'x', dtype, shape: [first, 3, 'n'] }], outputs: [] };
      const made = calls(rowsMadeUp(signature), typeof first === 'number' ? first : 2);
      expect(made.length).toBeGreaterThan(0);
      for (const inputs of made) validateInputs(signature, inputs);
    }
  });

  it('are cut into whole calls only', () => {
    const signature: Signature = { inputs: [{ name: 'x', dtype: 'float32', shape: ['batch', 2] }], outputs: [] };
    const dataset = rowsMadeUp(signature);
    expect(calls(dataset, 3).map(({ x }) => x?.shape[0])).toEqual([3, 3]);
    expect(calls(dataset, 100).map(({ x }) => x?.shape[0])).toEqual([dataset.rowCount]);
  });
});
