import { tensor } from '@slipway/core';
import { describe, expect, it } from 'vitest';
import { NO_NOISE_DB } from '../../report/format.ts';
import { measureMetric } from '../testing/measure.ts';

const table = (...values: number[]) => ({ y: tensor('float32', [values.length / 2, 2], Float32Array.from(values)) });

describe('likeness to the source', () => {
  const given = { outputs: table(3, 4.5, 1, 2, 0, 0), source: table(3, 4, 2, 1, 0, 0) };
  it('needs no labels', async () => {
    const of = (metric: 'agreement' | 'sqnr' | 'source-cosine' | 'max-error') => measureMetric({ metric }, given);
    expect([...(await of('agreement')).kept.values]).toEqual([1, 0, 1]);
    expect((await of('sqnr')).value).toBeCloseTo(10 * Math.log10(30 / 2.25), 12);
    expect((await of('source-cosine')).value).toBeCloseTo((27 / (5 * Math.hypot(3, 4.5)) + 4 / 5 + 1) / 3, 12);
    expect((await of('max-error')).value).toBe(1);
    for (const metric of ['agreement', 'sqnr', 'source-cosine', 'max-error'] as const) {
      expect((await of(metric)).metric.needsLabels).toBe(false);
    }
  });

  it('is complete with itself', async () => {
    const same = { outputs: given.source };
    expect((await measureMetric({ metric: 'sqnr' }, same)).value).toBe(NO_NOISE_DB);
    expect((await measureMetric({ metric: 'source-cosine' }, same)).value).toBe(1);
    expect((await measureMetric({ metric: 'max-error' }, same)).value).toBe(0);
  });

  it('refuses what is not finite or of another shape', async () => {
    const broken = { ...given, outputs: table(1, 2, 3, NaN, 0, 0) };
    await expect(measureMetric({ metric: 'sqnr' }, broken)).rejects.toThrow('sqnr: output "y" is NaN in row 1');
    const wider = { outputs: { y: tensor('float32', [3, 3], new Float32Array(9)) }, source: given.source };
    await expect(measureMetric({ metric: 'max-error' }, wider)).rejects.toThrow('the source gives float32[3, 2]');
  });
});
