import { tensor } from '@slipway/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { measureMetric } from '../testing/measure.ts';

const classes = (...values: number[]) => tensor('int64', [values.length], BigInt64Array.from(values, BigInt));
const column = (...values: number[]) => tensor('float64', [values.length], Float64Array.from(values));
const roc = { metric: 'roc-auc' } as const;
const pr = { metric: 'pr-auc' } as const;

// scikit-learn 1.9: roc_auc_score, average_precision_score.
const binary = {
  outputs: { y: column(0.1, 0.4, 0.35, 0.8, 0.8, 0.2, 0.5, 0.5) },
  labels: classes(0, 0, 1, 1, 0, 0, 1, 0),
};
const three = [0.7, 0.2, 0.1, 0.3, 0.4, 0.3, 0.2, 0.2, 0.6, 0.5, 0.2, 0.3, 0.1, 0.3, 0.6, 0.4, 0.5, 0.1];
const multi = {
  outputs: { y: tensor('float64', [6, 3], Float64Array.from(three)) },
  labels: classes(0, 1, 2, 2, 1, 0),
};

describe('areas under curves', () => {
  it('are those of scikit-learn, ties included', async () => {
    expect((await measureMetric(roc, binary)).value).toBeCloseTo(0.6666666666666666, 12);
    expect((await measureMetric(pr, binary)).value).toBeCloseTo(0.5, 12);
    expect((await measureMetric(roc, multi)).value).toBeCloseTo(0.7916666666666666, 12);
    expect((await measureMetric(pr, multi)).value).toBeCloseTo(0.6388888888888888, 12);
  });

  it('are of the pairs in the right order', async () => {
    const row = fc.tuple(fc.integer({ min: 0, max: 1 }), fc.integer({ min: -3, max: 3 }));
    await fc.assert(
      fc.asyncProperty(fc.array(row, { minLength: 2, maxLength: 30 }), async (rows) => {
        const labels = classes(...rows.map(([label]) => label));
        const { value } = await measureMetric(
          { ...roc, scores: 'logits' },
          { outputs: { y: column(...rows.map(([, score]) => score)) }, labels },
        );
        let [right, pairs] = [0, 0];
        for (const [a, s] of rows) {
          for (const [b, t] of rows) {
            if (a !== 1 || b !== 0) continue;
            pairs++;
            right += s > t ? 1 : s === t ? 0.5 : 0;
          }
        }
        if (pairs === 0) expect(value).toBeNaN();
        else expect(value).toBeCloseTo(right / pairs, 12);
      }),
    );
  });

  it('count a row as often as its weight says', async () => {
    const { metric, kept } = await measureMetric(roc, binary);
    const weights = Uint32Array.of(2, 0, 1, 3, 1, 0, 0, 2);
    const rows = [...weights].flatMap((weight, row) => Array.from({ length: weight }, () => row));
    const pick = <T>(values: ArrayLike<T>): T[] => rows.map((row) => values[row]!);
    const repeated = {
      outputs: { y: column(...pick(binary.outputs.y.data as Float64Array)) },
      labels: classes(...pick(binary.labels.data as BigInt64Array).map(Number)),
    };
    for (const spec of [roc, pr]) {
      const { value } = await measureMetric(spec, repeated);
      const own = spec === roc ? metric : (await measureMetric(pr, binary)).metric;
      expect(own.figure(kept)(weights)).toBeCloseTo(value, 12);
    }
  });

  it('tell logits from probabilities by the source, once for all calls', async () => {
    // The second row of logits would pass for probabilities.
    const logits = tensor('float32', [3, 2], Float32Array.of(3, 9, 0.4, 0.6, -1, 5));
    const labels = classes(0, 0, 1);
    const { kept } = await measureMetric(roc, { outputs: { y: logits }, labels, perCall: 1 });
    expect(kept.values[1]).toBe(6);
    expect(kept.values[3]).toBeCloseTo(0.2, 6);
    const said = await measureMetric({ ...roc, scores: 'probabilities' }, { outputs: { y: logits }, labels });
    expect(said.kept.values[1]).toBe(9);
  });

  it('are not defined over one class, and refuse what is no score', async () => {
    expect((await measureMetric(roc, { ...binary, labels: classes(1, 1, 1, 1, 1, 1, 1, 1) })).value).toBeNaN();
    expect((await measureMetric(pr, { ...binary, labels: classes(0, 0, 0, 0, 0, 0, 0, 0) })).value).toBeNaN();
    const broken = { outputs: { y: column(0.1, NaN) }, labels: classes(0, 1) };
    await expect(measureMetric(roc, broken)).rejects.toThrow('roc-auc: output "y" is NaN in row 1');
    const whole = { outputs: { y: classes(0, 1) }, labels: classes(0, 1) };
    await expect(measureMetric(roc, whole)).rejects.toThrow('roc-auc cannot be read from output "y"');
    await expect(measureMetric({ ...roc, positive: 3 }, binary)).rejects.toThrow('there is no class 3');
  });
});
