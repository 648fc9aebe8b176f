import { tensor } from '@slipway/core';
import { describe, expect, it } from 'vitest';
import { detections } from '../testing/detections.ts';
import { measureMetric } from '../testing/measure.ts';

const map = { metric: 'map', boxes: 'boxes', scores: 'scores', classes: 'classes' } as const;

describe('mean average precision', () => {
  // pycocotools 2.0: COCOeval(…, 'bbox').stats
  it('is that of COCO', async () => {
    const given = detections(11);
    expect((await measureMetric(map, given)).value).toBeCloseTo(0.19693047399978098, 9);
    expect((await measureMetric({ ...map, iou: 0.5 }, given)).value).toBeCloseTo(0.4864914348577715, 9);
    expect((await measureMetric({ ...map, iou: 0.75 }, { ...given, perCall: 1 })).value).toBeCloseTo(
      0.045821248791545824,
      9,
    );
  });

  const one = (boxes: number[], scores: number[], classes: number[], labels: number[]) => ({
    outputs: {
      boxes: tensor('float32', [1, scores.length, 4], Float32Array.from(boxes)),
      scores: tensor('float32', [1, scores.length], Float32Array.from(scores)),
      classes: tensor('int64', [1, scores.length], BigInt64Array.from(classes, BigInt)),
    },
    labels: tensor('float32', [1, labels.length / 5, 5], Float32Array.from(labels)),
  });

  it('finds each labelled box once, and ignores what pads', async () => {
    const box = [0, 0, 10, 10];
    const perfect = one([...box, 0, 0, 0, 0], [0.9, 0], [2, -1], [2, ...box, -1, 0, 0, 0, 0]);
    expect((await measureMetric(map, perfect)).value).toBeCloseTo(1, 12);
    const double = one([...box, ...box], [0.9, 0.8], [2, 2], [2, ...box, 2, 50, 50, 60, 60]);
    // Half of the recall at full precision: 51 of 101 recalls.
    expect((await measureMetric(map, double)).value).toBeCloseTo(51 / 101, 12);
  });

  it('is not defined without labelled boxes, and 0 when nothing is found', async () => {
    const box = [0, 0, 10, 10];
    expect((await measureMetric(map, one(box, [0.9], [0], [-1, 0, 0, 0, 0]))).value).toBeNaN();
    expect((await measureMetric(map, one(box, [0], [-1], [0, ...box]))).value).toBe(0);
  });

  it('says which shapes it needs', async () => {
    const { outputs } = detections(1);
    const labels = tensor('float32', [12, 4], new Float32Array(48));
    await expect(measureMetric(map, { outputs, labels })).rejects.toThrow('map needs labels [rows, n, 5]');
    const short = { ...outputs, boxes: tensor('float32', [12, 6], new Float32Array(72)) };
    await expect(measureMetric(map, { outputs: short, labels: detections(1).labels })).rejects.toThrow(
      'map needs boxes [rows, n, 4], scores and classes [rows, n]; the outputs are boxes float32[12, 6]',
    );
  });
});
