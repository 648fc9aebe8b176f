import { tensor } from '@slipway/core';
import { describe, expect, it } from 'vitest';
import { measureMetric } from '../testing/measure.ts';

const iou = { metric: 'iou' } as const;
const pixels = (...values: number[]) => tensor('uint8', [1, 1, values.length], Uint8Array.from(values));

describe('intersection over union', () => {
  // scikit-learn 1.9: jaccard_score(average='macro') over the pixels that are not 255 is 0.5.
  const labels = pixels(0, 1, 1, 2, 2, 2, 255);
  it('is the mean over classes, of class maps and of scores', async () => {
    const outputs = { y: pixels(0, 1, 2, 2, 2, 0, 1) };
    expect((await measureMetric(iou, { outputs, labels })).value).toBeCloseTo(0.5, 12);
    const scores = new Float32Array(3 * 7);
    [0, 1, 2, 2, 2, 0, 1].forEach((answer, pixel) => (scores[answer * 7 + pixel] = 1));
    const map = { y: tensor('float32', [1, 3, 1, 7], scores) };
    expect((await measureMetric(iou, { outputs: map, labels })).value).toBeCloseTo(0.5, 12);
  });

  it('adds up pixels over pictures before it divides', async () => {
    const two = (...values: number[]) => tensor('uint8', [2, 1, 2], Uint8Array.from(values));
    const given = { outputs: { y: two(1, 0, 1, 1) }, labels: two(1, 1, 1, 1) };
    // Class 1: 3 of 4 pixels. Class 0: 0 of 1.
    expect((await measureMetric(iou, given)).value).toBeCloseTo(0.375, 12);
    expect((await measureMetric(iou, { ...given, perCall: 1 })).value).toBeCloseTo(0.375, 12);
  });

  it('takes a pixel without an answer for a miss', async () => {
    const nothing = tensor('float32', [1, 2, 1, 2], Float32Array.of(NaN, 1, NaN, 0));
    const given = { outputs: { y: nothing }, labels: tensor('uint8', [1, 1, 2], Uint8Array.of(0, 0)) };
    expect((await measureMetric(iou, given)).value).toBe(0.5);
  });

  it('refuses labels that are no class, other sizes, and outputs without classes', async () => {
    const scores = { y: tensor('float32', [1, 3, 1, 7], new Float32Array(21)) };
    await expect(measureMetric(iou, { outputs: scores, labels: pixels(0, 1, 2, 3, 0, 0, 0) })).rejects.toThrow(
      'iou: a label of row 0 is 3; classes are 0 to 2, or 255 to ignore',
    );
    await expect(measureMetric(iou, { outputs: scores, labels: pixels(0, 1) })).rejects.toThrow(
      'iou needs a label per pixel: labels are uint8[1, 1, 2] for 1 rows of 7 pixels',
    );
    const flat = { y: tensor('float32', [1, 3], new Float32Array(3)) };
    await expect(measureMetric(iou, { outputs: flat, labels })).rejects.toThrow('iou cannot be read from output "y"');
  });
});
