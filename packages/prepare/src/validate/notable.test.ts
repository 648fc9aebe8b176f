import type { Parity } from '@slipway/core';
import { describe, expect, it } from 'vitest';
import { isNotable } from './notable.ts';

const parity = (sqnrDb: number | null, argmaxAgreement: number | null, rows: number): Parity => ({
  rows,
  sqnrDb,
  cosine: 1,
  maxAbsoluteError: 0,
  argmaxAgreement,
});

describe('a notable difference', () => {
  it.each([
    ['identical outputs', parity(null, 1, 8), false],
    ['what 8 bits cost', parity(34, 1, 8), false],
    ['noise of a tenth of the signal', parity(9.9, null, 8), true],
    ['one row of eight', parity(34, 7 / 8, 8), false],
    ['two rows of eight', parity(34, 6 / 8, 8), true],
    ['two rows of a hundred', parity(34, 0.98, 100), false],
  ])('%s', (_, value, notable) => expect(isNotable(value)).toBe(notable));
});
