/** Calibration rows whose shapes differ: what is found of them is what the rows give one by one, and never a padded value. */
import { type CalibrationSpec, columnOf, createDataset, type Dataset, type Tensor, tensor } from '@slipway/core';
import { buildModel, intAttribute, type Model, signatureOf } from '@slipway/onnx';
import { describe, expect, it } from 'vitest';
import { staticPass } from '../static/pass.ts';
import { runningContext } from '../testing/context.ts';
import { floats, normal } from '../testing/run.ts';
import { calibrate } from './calibrate.ts';
import type { Range } from './range.ts';

/** Each row through a layer, and its mean over the sequence: a zero at its end would move both. */
const model = buildModel((b) => {
  const x = b.input('x', 'float32', ['batch', 'length', 4]);
  const layer = b.op('MatMul', [x, b.constant('W', floats([4, 3], 1))], { outputs: ['layer'] });
  const shifted = b.op('Add', [layer, b.floats('bias', [3], [5, 6, 7])], { outputs: ['shifted'] });
  const mean = b.op('ReduceMean', [shifted], {
    attributes: [intAttribute('keepdims', 0)],
    outputs: ['mean'],
  });
  b.output(mean, 'float32', null);
});

const row = (length: number, seed: number): Tensor => tensor('float32', [1, length, 4], normal(length * 4, seed));
const LENGTHS = [3, 7, 7, 1, 12, 3, 5, 5, 5, 9, 2, 7, 3, 30, 4, 1, 6, 6, 8, 2];
const parts = LENGTHS.map((length, i) => row(length, i + 1));
const datasetOf = (of: Model, rows: readonly Tensor[]): Dataset =>
  createDataset(signatureOf(of), { x: columnOf(rows) }, null, { rowCount: rows.length, firstRow: 0 });

const TENSORS = ['x', 'layer', 'shifted', 'mean'];
async function ranges(rows: readonly Tensor[], method: CalibrationSpec): Promise<ReadonlyMap<string, Range>> {
  using context = runningContext(datasetOf(model, rows));
  const options = { method, levels: 256, symmetric: false };
  return (await calibrate('quantize.static', model, TENSORS, options, context)).ranges;
}

describe('rows of different shapes', () => {
  it('have the extremes of all of them, one by one', async () => {
    const expected = new Map<string, Range>();
    for (const part of parts) {
      for (const [tensor, range] of await ranges([part], 'minmax')) {
        const known = expected.get(tensor) ?? range;
        expected.set(tensor, { min: Math.min(known.min, range.min), max: Math.max(known.max, range.max) });
      }
    }
    expect(await ranges(parts, 'minmax')).toEqual(expected);
    const longest = Math.max(...LENGTHS) * 4;
    const padded = parts.map(({ data }) => {
      const values = new Float32Array(longest);
      values.set(data as Float32Array);
      return tensor('float32', [1, longest / 4, 4], values);
    });
    expect((await ranges(padded, 'minmax')).get('mean')).not.toEqual(expected.get('mean'));
  });

  it('have the moving average of calls of one row', async () => {
    const momentum = 0.3;
    let known: Range | null = null;
    for (const [calls, part] of parts.entries()) {
      const found: Range = (await ranges([part], 'minmax')).get('layer')!;
      const weight = momentum / (1 - (1 - momentum) ** (calls + 1));
      const before: Range = known ?? found;
      known = {
        min: before.min + weight * (found.min - before.min),
        max: before.max + weight * (found.max - before.max),
      };
    }
    const range = (await ranges(parts, { method: 'ema', momentum })).get('layer')!;
    expect(range.min).toBeCloseTo(known!.min, 6);
    expect(range.max).toBeCloseTo(known!.max, 6);
  });

  it.each<CalibrationSpec>(['percentile', 'entropy', 'mse'])(
    'have the distribution of all their values, as the same values in rows of one shape have it: %s',
    async (method) => {
      const values = Float32Array.from(parts.flatMap(({ data }) => [...(data as Float32Array)]));
      const together = tensor('float32', [1, values.length / 4, 4], values);
      const [apart, expected] = [await ranges(parts, method), await ranges([together], method)];
      for (const tensor of ['x', 'layer', 'shifted']) expect(apart.get(tensor)).toEqual(expected.get(tensor));
    },
  );

  it('give the same ranges in any order', async () => {
    expect(await ranges([...parts].reverse(), 'minmax')).toEqual(await ranges(parts, 'minmax'));
    expect(await ranges([...parts].reverse(), 'mse')).toEqual(await ranges(parts, 'mse'));
  });

  it('quantize a model that then takes rows of any length', async () => {
    using context = runningContext(datasetOf(model, parts));
    const { model: quantized, notes } = await staticPass.apply(model, { pass: 'quantize.static' }, context);
    expect(notes.join(' ')).toContain(`of ${LENGTHS.length} calibration rows`);
    expect(signatureOf(quantized)).toEqual(signatureOf(model));
    expect(quantized.graph.nodes.map(({ op }) => op)).toContain('QuantizeLinear');
  });

  it('are refused by number where a value is not finite, or the model leaves the numbers', async () => {
    const broken = parts.map((part, i) => (i === 4 ? { ...part, data: new Float32Array(12 * 4).fill(NaN) } : part));
    await expect(ranges(broken as Tensor[], 'minmax')).rejects.toThrow(
      'row 4 of the calibration data has NaN in the input "x"',
    );
    const large = parts.map((part, i) => (i === 9 ? { ...part, data: new Float32Array(36).fill(3e38) } : part));
    await expect(ranges(large as Tensor[], 'minmax')).rejects.toThrow('for calibration row 9;');
  });
});
