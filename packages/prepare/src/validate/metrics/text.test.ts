import { tensor } from '@slipway/core';
import { describe, expect, it } from 'vitest';
import { measureMetric } from '../testing/measure.ts';

const text = (columns: number, ...values: string[]) =>
  tensor('string', columns === 1 ? [values.length] : [values.length / columns, columns], values);
const tokens = (columns: number, ...values: number[]) =>
  tensor('int64', [values.length / columns, columns], BigInt64Array.from(values, BigInt));
const bleu = { metric: 'bleu' } as const;

// sacreBLEU 2.6: corpus_bleu(…).score / 100
describe('BLEU', () => {
  const outputs = {
    y: text(1, 'The dog bit the man.', "It wasn't surprising.", 'The man had just bitten him, 3.5 times - so.'),
  };
  const first = ['The dog bit the man.', 'It was not unexpected.', 'The man bit him first: 3.5 times.'];
  const second = ['The dog had bit the man.', 'No one was surprised.', 'The man had bitten the dog.'];

  it('is that of sacreBLEU, with one reference and with several', async () => {
    expect((await measureMetric(bleu, { outputs, labels: text(1, ...first) })).value).toBeCloseTo(
      0.3410294826875056,
      12,
    );
    const both = text(2, ...first.flatMap((one, i) => [one, second[i]!]));
    expect((await measureMetric(bleu, { outputs, labels: both, perCall: 2 })).value).toBeCloseTo(
      0.3854920295528979,
      12,
    );
    const some = text(2, ...first.flatMap((one) => [one, '']));
    expect((await measureMetric(bleu, { outputs, labels: some })).value).toBeCloseTo(0.3410294826875056, 12);
  });

  it('smooths precisions without a match', async () => {
    const given = { outputs: { y: text(1, 'a b c d e', 'the cat') }, labels: text(1, 'a c b e d', 'the dog') };
    expect((await measureMetric(bleu, given)).value).toBeCloseTo(0.14535768424205484, 12);
  });

  it('compares token numbers as it compares words', async () => {
    const ids = {
      outputs: { y: tokens(5, 1, 2, 3, 4, 5, 6, 7, -100, -100, -100) },
      labels: tokens(5, 1, 3, 2, 5, 4, 6, 8, -100, 0, 0),
    };
    expect((await measureMetric(bleu, ids)).value).toBeCloseTo(0.14535768424205484, 12);
    const zero = {
      outputs: { y: tokens(5, 1, 2, 3, 4, 5, 6, 7, 0, 0, 0) },
      labels: tokens(5, 1, 3, 2, 5, 4, 6, 8, 0, 0, 0),
    };
    expect((await measureMetric({ ...bleu, pad: 0 }, zero)).value).toBeCloseTo(0.14535768424205484, 12);
  });

  it('is 0 for empty answers and answers too short for four words', async () => {
    const labels = text(1, 'a b c d');
    expect((await measureMetric(bleu, { outputs: { y: text(1, '') }, labels })).value).toBe(0);
    expect((await measureMetric(bleu, { outputs: { y: text(1, 'a b') }, labels })).value).toBe(0);
    expect((await measureMetric(bleu, { outputs: { y: labels }, labels })).value).toBe(1);
  });

  it('refuses scores', async () => {
    const scores = tensor('float32', [1, 2, 4], new Float32Array(8));
    await expect(measureMetric(bleu, { outputs: { y: scores }, labels: text(1, 'a') })).rejects.toThrow(
      'bleu reads text or token numbers; output "y" is float32[1, 2, 4] for 1 rows',
    );
  });
});

// rouge_score 0.1.2, without stemming: fmeasure
describe('ROUGE', () => {
  it.each([
    ['rouge-1', 0.7058823529411765, 0.6666666666666665],
    ['rouge-2', 0.26666666666666666, 0.4285714285714286],
    ['rouge-l', 0.5882352941176471, 0.5555555555555556],
  ] as const)('%s is that of rouge_score', async (metric, fox, mean) => {
    const outputs = { y: text(1, 'the quick brown fox jumps over the lazy dog') };
    const labels = text(1, 'the quick brown dog jumps on the log.');
    expect((await measureMetric({ metric }, { outputs, labels })).value).toBeCloseTo(fox, 12);
    const two = {
      outputs: { y: text(1, 'The cat sat', 'A fox, 2 dogs!') },
      labels: text(1, 'the cat sat on the mat', 'two dogs and a fox'),
    };
    const measured = await measureMetric({ metric }, two);
    if (metric === 'rouge-2') expect(measured.kept.values[1]).toBe(0.2857142857142857);
    expect(measured.value).toBeCloseTo(mean, 12);
  });

  it('takes the best of several references, and 0 where nothing can match', async () => {
    const one = { outputs: { y: text(1, 'a b') }, labels: text(3, 'c d', 'a b', '') };
    expect((await measureMetric({ metric: 'rouge-2' }, one)).value).toBe(1);
    const empty = { outputs: { y: text(1, '', 'a') }, labels: text(1, 'a', '') };
    expect([...(await measureMetric({ metric: 'rouge-l' }, empty)).kept.values]).toEqual([0, 0]);
  });
});
