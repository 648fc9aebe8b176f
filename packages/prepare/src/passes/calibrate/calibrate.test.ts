import type { CalibrationSpec, Tensor, Tensors } from '@slipway/core';
import { buildModel, intAttribute, type Model } from '@slipway/onnx';
import { describe, expect, it } from 'vitest';
import { staticPass } from '../static/pass.ts';
import { offlineContext, runningContext } from '../testing/context.ts';
import { datasetOf, floats } from '../testing/run.ts';
import { type Calibration, calibrate } from './calibrate.ts';

/** y = 2x */
const doubling = buildModel((b) => {
  const x = b.input('x', 'float32', ['batch', 'n']);
  b.output(b.op('Mul', [x, b.floats('two', [], [2])], { outputs: ['y'] }), 'float32', ['batch', 'n']);
});

const rows = (...values: readonly (readonly number[])[]): Tensor => ({
  dtype: 'float32',
  shape: [values.length, values[0]?.length ?? 0],
  data: Float32Array.from(values.flat()),
});

async function calibrated(
  x: Tensor | Tensors,
  method?: CalibrationSpec,
  model: Model = doubling,
  tensors = ['x', 'y'],
): Promise<Calibration> {
  const inputs = 'dtype' in x ? { x: x as Tensor } : x;
  using context = runningContext(datasetOf(model, inputs));
  return await calibrate('quantize.static', model, tensors, { method, levels: 256, symmetric: false }, context);
}

const METHODS: readonly CalibrationSpec[] = ['minmax', 'percentile', 'entropy', 'mse', 'auto'];

describe.each(METHODS)('%s', (method) => {
  it('sees every call, also the last, shorter one', async () => {
    const x = rows(...Array.from({ length: 35 }, (_, row) => [row - 3, -row / 2]));
    const { ranges, rows: count } = await calibrated(x, method);
    // No method cuts so few values that are evenly spread by more than a little.
    expect(ranges.get('x')?.min).toBeCloseTo(-17, 0);
    expect(ranges.get('x')?.max).toBeGreaterThan(29);
    expect(ranges.get('y')?.max).toBeGreaterThan(58);
    expect(count).toBe(35);
  });

  it('gives the same ranges in whatever order the rows come', async () => {
    const values = Array.from({ length: 40 }, (_, row) => [Math.sin(row * row) * 4, row === 20 ? 90 : Math.cos(row)]);
    const [one, other] = [
      await calibrated(rows(...values), method),
      await calibrated(rows(...values.reverse()), method),
    ];
    expect(other.ranges).toEqual(one.ranges);
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

describe('auto', () => {
  it('keeps all values where they matter', async () => {
    const { notes } = await calibrated(floats([64, 32], 1), 'auto');
    expect(notes[0]).toMatch(/^Calibrated with minmax: rounding activations so changes the outputs least .* mse /);
  });

  it('leaves out an outlier that the output does not see', async () => {
    const saturating = buildModel((b) => {
      const x = b.input('x', 'float32', ['batch', 'n']);
      const bounds = [b.floats('low', [], [-1]), b.floats('high', [], [1])];
      b.output(b.op('Clip', [x, ...bounds], { outputs: ['y'] }), 'float32', ['batch', 'n']);
    });
    const x = floats([64, 400], 2);
    (x.data as Float32Array)[77] = 500;
    const { ranges, notes } = await calibrated(x, 'auto', saturating, ['x']);
    expect(notes[0]).not.toContain('Calibrated with minmax');
    expect(ranges.get('x')?.max).toBeLessThan(2);
    expect(notes[1]).toMatch(/^1 range leaves values out, most of all x: \[-\S+, \S+\] of \[-1, 500\]\.$/);
  });
});

describe('what is wrong with the rows', () => {
  const bad = (value: number): Tensor => {
    const x = floats([40, 4], 1);
    (x.data as Float32Array)[20 * 4 + 1] = value;
    return x;
  };

  it('names the row and the input of a value that is not finite', async () => {
    await expect(calibrated(bad(NaN))).rejects.toThrow('row 20 of the calibration data has NaN in the input "x"');
    await expect(calibrated(bad(-Infinity))).rejects.toThrow('row 20 of the calibration data has an infinite value');
  });

  it.each(METHODS)('names the tensor and the rows where the model itself leaves the numbers (%s)', async (method) => {
    const root = buildModel((b) => {
      const x = b.input('x', 'float32', ['batch', 'n']);
      b.output(b.op('Sqrt', [x], { outputs: ['y'] }), 'float32', ['batch', 'n']);
    });
    const x = rows(...Array.from({ length: 40 }, (_, row) => [row === 20 ? -1 : 1]));
    await expect(calibrated(x, method, root)).rejects.toThrow(
      /the tensor "y" is NaN for calibration rows? (16|17|1|20)( to \d+)?; exclude the nodes/,
    );
  });

  it('refuses no rows, too few for one call, and an input without data', async () => {
    const apply = calibrate(
      'quantize.static',
      doubling,
      ['x'],
      { method: 'minmax', levels: 256, symmetric: false },
      offlineContext(),
    );
    await expect(apply).rejects.toThrow('it needs calibration data');
    await expect(calibrated(floats([0, 4], 1))).rejects.toThrow('the calibration data has no rows');
    await expect(calibrated({ other: floats([4, 4], 1) })).rejects.toThrow('has nothing for the input "x"');
    const fixed = buildModel((b) => {
      b.output(b.op('Neg', [b.input('x', 'float32', [8, 4])], { outputs: ['y'] }), 'float32', [8, 4]);
    });
    await expect(calibrated(floats([5, 4], 1), 'minmax', fixed)).rejects.toThrow(
      'the model takes 8 rows per call and there are 5 calibration rows',
    );
  });

  it('warns when there are few rows, and of tensors that never change', async () => {
    const { notes } = await calibrated(rows([1, 1], [1, 1]));
    expect(notes[1]).toContain('There are only 2 calibration rows');
    expect(notes[2]).toBe('Constant over all calibration rows, which may mean that the rows are not typical: x, y.');
  });

  it('takes tensors whose shape differs from row to row, and ones that are empty at times', async () => {
    const picking = buildModel((b) => {
      const x = b.input('x', 'float32', [1, 6]);
      const positive = b.op('Greater', [x, b.floats('zero', [], [0])]);
      b.output(
        b.op('Compress', [x, b.op('Reshape', [positive, b.integers('flat', [1], [-1])])], { outputs: ['y'] }),
        'float32',
        ['n'],
      );
    });
    const x = rows([-1, -2, -3, -4, -5, -6], [1, 2, -3, 4, -5, 6], [-1, -1, -1, -1, 7, -1]);
    for (const method of ['minmax', 'percentile'] as const) {
      const { ranges } = await calibrated(x, method, picking, ['y']);
      expect(ranges.get('y')?.max).toBeCloseTo(7, 1);
      expect(ranges.get('y')?.min).toBeCloseTo(1, 1);
    }
  });

  it('leaves a tensor in float that is empty for every row, instead of guessing', async () => {
    const never = buildModel((b) => {
      const x = b.input('x', 'float32', [1, 4]);
      const sum = b.op('ReduceMax', [x], { attributes: [intAttribute('keepdims', 0)] });
      const flag = b.op('Reshape', [b.op('Greater', [sum, b.floats('zero', [], [0])]), b.integers('one', [1], [1])]);
      const kept = b.op('Compress', [x, flag], { outputs: ['kept'], attributes: [intAttribute('axis', 0)] });
      const product = b.op('MatMul', [kept, b.constant('W', floats([4, 2], 1))], { outputs: ['y'] });
      b.output(product, 'float32', ['n', 2]);
    });
    const x = { ...floats([20, 4], 1), data: new Float32Array(80).fill(-1) } as Tensor;
    using context = runningContext(datasetOf(never, { x }));
    const { model, notes } = await staticPass.apply(never, { pass: 'quantize.static' }, context);
    expect(model.graph.nodes.map(({ op }) => op)).not.toContain('QuantizeLinear');
    expect(notes).toContain('No calibration row computes kept: of values never seen there is no range.');
  });
});
