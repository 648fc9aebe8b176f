import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { custom, type MetricCall, type MetricFunction, tensor } from '@slipway/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { measureMetric } from '../testing/measure.ts';
import { identityOf } from './custom.ts';

let directory = '';
beforeAll(() => (directory = mkdtempSync(path.join(tmpdir(), 'slipway-metric-'))));
afterAll(() => rmSync(directory, { recursive: true }));
const module = (name: string, text: string): string => {
  const file = path.join(directory, name);
  writeFileSync(file, text);
  return file;
};

const given = {
  outputs: { y: tensor('float32', [4], Float32Array.of(1, 2, 3, 4)) },
  labels: tensor('float32', [4], Float32Array.of(1, 2, 5, 4)),
  perCall: 2,
};
const gap: MetricFunction = ({ outputs, labels, rows }: MetricCall) =>
  Array.from({ length: rows }, (_, row) => Math.abs(Number(outputs.y?.data[row]) - Number(labels?.data[row])));

describe('a metric of one’s own', () => {
  it('is the mean of a function, from the config or from a module', async () => {
    const { kept, value, metric } = await measureMetric(custom('gap', gap, { better: 'lower' }), given);
    expect([...kept.values]).toEqual([0, 0, 2, 0]);
    expect(value).toBe(0.5);
    expect(metric).toMatchObject({ name: 'gap', better: 'lower', needsLabels: true });
    const file = module('gap.js', 'export default ({ outputs, rows }) => outputs.y.data.subarray(0, rows);');
    expect((await measureMetric(custom('mean', file, { labels: false }), given)).value).toBe(2.5);
  });

  it('names the row it failed on', async () => {
    const fussy: MetricFunction = ({ outputs, rows }) => {
      if (outputs.y?.data.includes(3 as never) === true) throw new Error('no threes');
      return new Float64Array(rows);
    };
    await expect(measureMetric(custom('fussy', fussy), given)).rejects.toMatchObject({
      code: 'METRIC_FAILED',
      message: 'The metric "fussy" cannot be measured: row 2: no threes',
    });
    const crowded: MetricFunction = ({ rows }) => {
      if (rows > 1) throw new Error('too many');
      return [0];
    };
    await expect(measureMetric(custom('crowded', crowded), given)).rejects.toThrow('rows 0 to 1: too many');
  });

  it.each<[string, MetricFunction, string]>([
    ['too few', () => [1], 'it gave 1 numbers for the 2 rows from row 0 on; one number per row is needed'],
    ['nothing', () => undefined as never, 'it gave undefined for the 2 rows'],
    ['a promise', (() => Promise.resolve([1, 2])) as never, 'it gave object for the 2 rows'],
    ['NaN', ({ firstRow }) => [1, firstRow === 2 ? NaN : 1], 'row 3: it gave NaN, not a finite number'],
    ['text', () => ['1', '2'] as never, 'row 0: it gave string, not a finite number'],
  ])('says when it gives %s', async (_, own, message) => {
    await expect(measureMetric(custom('own', own), given)).rejects.toThrow(message);
  });

  it('says when its module cannot be loaded or has no function', async () => {
    const missing = path.join(directory, 'missing.ts');
    await expect(measureMetric(custom('own', missing), given)).rejects.toThrow(`${missing} cannot be loaded`);
    const broken = module('broken.ts', 'export default (;');
    await expect(measureMetric(custom('own', broken), given)).rejects.toThrow(`${broken} cannot be loaded`);
    const empty = module('empty.ts', 'export const metric = 1;');
    await expect(measureMetric(custom('own', empty), given)).rejects.toThrow(
      'must have a function as its default export',
    );
  });

  it('is another one when its text or its file has changed', async () => {
    const file = module('changing.ts', 'export default () => [1];');
    const before = await identityOf(custom('own', file));
    expect(await identityOf(custom('own', file))).toEqual(before);
    module('changing.ts', 'export default () => [2];');
    expect(await identityOf(custom('own', file))).not.toEqual(before);
    expect(await identityOf(custom('own', () => [1]))).not.toEqual(await identityOf(custom('own', () => [2])));
  });
});
