import type { CalibrationSpec, Tensor } from '@slipway/core';
import { buildModel } from '@slipway/onnx';
import { describe, expect, it } from 'vitest';
import { runningContext } from '../testing/context.ts';
import { datasetOf } from '../testing/run.ts';
import { type Calibration, calibrate } from './calibrate.ts';

const doubling = buildModel((b) => {
  const x = b.input('x', 'float32', ['batch', 'n']);
  b.output(b.op('Mul', [x, b.floats('two', [], [2])], { outputs: ['y'] }), 'float32', ['batch', 'n']);
});

const rows = (...values: readonly (readonly number[])[]): Tensor => ({
  dtype: 'float32',
  shape: [values.length, values[0]?.length ?? 0],
  data: Float32Array.from(values.flat()),
});

async function calibrated(x: Tensor, method?: CalibrationSpec): Promise<Calibration> {
  using context = runningContext(datasetOf(doubling, { x }));
  const options = { method, levels: 256, symmetric: false };
  return await calibrate('quantize.static', doubling, ['x', 'y'], options, context);
}

describe('min-max', () => {
  it('is the smallest and largest value of every call, also of the last, shorter one', async () => {
    const x = rows(...Array.from({ length: 35 }, (_, row) => [row - 3, -row / 2]));
    const { ranges, rows: count } = await calibrated(x);
    expect(ranges.get('x')).toEqual({ min: -17, max: 31 });
    expect(ranges.get('y')).toEqual({ min: -34, max: 62 });
    expect(count).toBe(35);
  });
});

describe('moving average', () => {
  /** Two calls of 16 rows, the largest value 1 in the first and 3 in the second. */
  const x = rows(...Array.from({ length: 32 }, (_, row) => [row < 16 ? 1 : 3, 0]));

  it('weighs the calls as the exponential average does after many', async () => {
    const { ranges, notes } = await calibrated(x, { method: 'ema', momentum: 0.5 });
    // (0.5 · 0.5 · 1 + 0.5 · 3) / 0.75
    expect(ranges.get('x')?.max).toBeCloseTo(7 / 3, 6);
    expect(notes[0]).toBe(
      'Ranges of 2 tensors are moving averages of the smallest and largest values of 32 calibration rows.',
    );
  });

  it('is nearly the mean of few calls by default, and does not stay at the first', async () => {
    expect((await calibrated(x, 'ema')).ranges.get('x')?.max).toBeCloseTo(2, 1);
  });
});
