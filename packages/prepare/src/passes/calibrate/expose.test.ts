/** Tensors in the bodies of If, Loop and Scan: what is found there is what a Python-like walk over the rows finds. */
import type { CalibrationSpec, Tensors } from '@slipway/core';
import {
  type Builder,
  buildGraph,
  buildModel,
  graphAttribute,
  type Graph,
  intAttribute,
  type Model,
} from '@slipway/onnx';
import { describe, expect, it } from 'vitest';
import { runningContext } from '../testing/context.ts';
import { datasetOf, floats } from '../testing/run.ts';
import { type Calibration, calibrate } from './calibrate.ts';
import { expose } from './expose.ts';
import { smallest } from './probe.ts';
import type { Range } from './range.ts';

async function calibrated(
  model: Model,
  inputs: Tensors,
  tensors: string[],
  method: CalibrationSpec,
): Promise<Calibration> {
  using context = runningContext(datasetOf(model, inputs));
  return await calibrate('quantize.static', model, tensors, { method, levels: 256, symmetric: false }, context);
}

/** x + 10 when the sum of x is positive, otherwise 3x. */
function branches(b: Builder, x: string, output: string): string {
  const sum = b.op('ReduceSum', [x], { attributes: [intAttribute('keepdims', 0)] });
  const condition = b.op('Greater', [sum, b.floats(`${output}_zero`, [], [0])]);
  const then = buildGraph((t) =>
    t.output(t.op('Add', [x, t.floats('ten', [], [10])], { outputs: ['added'] }), 'float32', null),
  );
  const otherwise = buildGraph((t) =>
    t.output(t.op('Mul', [x, t.floats('three', [], [3])], { outputs: ['tripled'] }), 'float32', null),
  );
  return b.op('If', [condition], {
    outputs: [output],
    attributes: [graphAttribute('then_branch', then), graphAttribute('else_branch', otherwise)],
  });
}

const ifModel = buildModel((b) => {
  const x = b.input('x', 'float32', [1, 4]);
  b.output(branches(b, x, 'y'), 'float32', null);
});

/** state ← 2 · state + 1, `count` times, from the first element of x. */
function loopBody(inner?: (b: Builder, state: string) => string): Graph {
  return buildGraph((b) => {
    b.input('i', 'int64', []);
    const condition = b.input('condition', 'bool', []);
    const state = b.input('state', 'float32', null);
    const doubled = b.op('Mul', [state, b.floats('two', [], [2])], { outputs: ['doubled'] });
    const next = b.op('Add', [inner === undefined ? doubled : inner(b, doubled), b.floats('one', [], [1])], {
      outputs: ['next'],
    });
    b.output(b.op('Identity', [condition], { outputs: ['condition_out'] }), 'bool', []);
    b.output(next, 'float32', null);
    b.output(b.op('Neg', [next], { outputs: ['seen'] }), 'float32', null);
  });
}

const loopModel = (inner?: (b: Builder, state: string) => string, outputs = ['final', 'stacked']): Model =>
  buildModel((b) => {
    const x = b.input('x', 'float32', [1, 4]);
    const count = b.input('count', 'int64', [1]);
    const times = b.op('Reshape', [count, b.integers('scalar', [0], [])]);
    b.op('Loop', [times, '', x], { outputs, attributes: [graphAttribute('body', loopBody(inner))] });
    b.output('final', 'float32', null);
  });

/** Running sum over the second axis, doubled. */
const scanModel = (inner?: (b: Builder, value: string) => string): Model =>
  buildModel((b) => {
    const x = b.input('x', 'float32', [1, 4, 3]);
    const sequence = b.op('Squeeze', [x, b.integers('axis', [1], [0])]);
    const body = buildGraph((s) => {
      const sum = s.input('sum', 'float32', [3]);
      const item = s.input('item', 'float32', [3]);
      const next = s.op('Add', [sum, item], { outputs: ['next'] });
      const doubled = s.op('Mul', [next, s.floats('two', [], [2])], { outputs: ['doubled'] });
      s.output(next, 'float32', [3]);
      s.output(inner === undefined ? doubled : inner(s, doubled), 'float32', null);
    });
    b.op('Scan', [b.floats('start', [3], [0, 0, 0]), sequence], {
      outputs: ['total', 'sums'],
      attributes: [graphAttribute('body', body), intAttribute('num_scan_inputs', 1)],
    });
    b.output('sums', 'float32', null);
    b.output('total', 'float32', [3]);
  });

/** Percentiles are found within buckets: not to the last bit. */
const near = (range: Range | undefined): Range => ({
  min: Math.round((range?.min ?? NaN) * 1e4) / 1e4,
  max: Math.round((range?.max ?? NaN) * 1e4) / 1e4,
});

const counts = (...values: number[]): Tensors[string] => ({
  dtype: 'int64',
  shape: [values.length],
  data: BigInt64Array.from(values, BigInt),
});
const column = (width: number, ...values: number[]): Tensors[string] => ({
  dtype: 'float32',
  shape: [values.length, width],
  data: Float32Array.from(values.flatMap((value) => new Array<number>(width).fill(value))),
});

describe.each<CalibrationSpec>(['minmax', { method: 'percentile', percentile: 99.9999 }])(
  'inside bodies, %j',
  (method) => {
    it('sees what each branch computes, on the rows that take it', async () => {
      const { ranges } = await calibrated(ifModel, { x: column(4, 1, -2, 5, -7) }, ['added', 'tripled', 'y'], method);
      expect(near(ranges.get('added'))).toEqual({ min: 11, max: 15 });
      expect(near(ranges.get('tripled'))).toEqual({ min: -21, max: -6 });
      expect(near(ranges.get('y'))).toEqual({ min: -21, max: 15 });
    });

    it('says which tensors no row computes', async () => {
      const { ranges, unseen, notes } = await calibrated(ifModel, { x: column(4, 1, 5) }, ['added', 'tripled'], method);
      expect([...ranges.keys()]).toEqual(['added']);
      expect(unseen).toEqual(['tripled']);
      expect(notes.at(-1)).toBe('No calibration row computes tripled: of values never seen there is no range.');
    });

    it.each([
      ['all outputs named', ['final', 'stacked']],
      ['the last left out', ['final']],
    ])('sees every iteration of a loop, also none: %s', async (_, outputs) => {
      const inputs = { x: column(4, 1, 100, -3), count: counts(3, 0, 2) };
      const { ranges } = await calibrated(loopModel(undefined, outputs), inputs, ['state', 'doubled', 'next'], method);
      // 1 → 3 → 7 → 15 and −3 → −5 → −9; the row of 100 does not iterate.
      expect(near(ranges.get('state'))).toEqual({ min: -5, max: 7 });
      expect(near(ranges.get('doubled'))).toEqual({ min: -10, max: 14 });
      expect(near(ranges.get('next'))).toEqual({ min: -9, max: 15 });
      const never = await calibrated(loopModel(), { x: column(4, 1), count: counts(0) }, ['doubled'], method);
      expect(never.unseen).toEqual(['doubled']);
    });

    it('sees a branch inside a loop', async () => {
      const model = loopModel((b, state) => branches(b, state, 'chosen'));
      const { ranges } = await calibrated(
        model,
        { x: column(4, 1, -1), count: counts(2, 1) },
        ['added', 'tripled'],
        method,
      );
      // 2 + 10 = 12 → 13 → 26 + 10 = 36; −2 · 3 = −6.
      expect(near(ranges.get('added'))).toEqual({ min: 12, max: 36 });
      expect(near(ranges.get('tripled'))).toEqual({ min: -6, max: -6 });
    });

    it('sees every step of a scan', async () => {
      const { ranges } = await calibrated(
        scanModel(),
        { x: floats([5, 4, 3], 3) },
        ['next', 'doubled', 'sums'],
        method,
      );
      expect(ranges.get('doubled')).toEqual(ranges.get('sums'));
      expect(ranges.get('next')?.max).toBeCloseTo((ranges.get('doubled')?.max ?? NaN) / 2, 6);
    });

    it('sees a branch inside a scan, of which the elements cannot be listed', async () => {
      const model = scanModel((b, value) => branches(b, value, 'chosen'));
      const { ranges } = await calibrated(model, { x: floats([5, 4, 3], 3) }, ['added', 'tripled', 'sums'], method);
      const [added, tripled, sums] = ['added', 'tripled', 'sums'].map((name) => ranges.get(name));
      expect(Math.max(added?.max ?? NaN, tripled?.max ?? NaN)).toBe(sums?.max);
      expect(Math.min(added?.min ?? NaN, tripled?.min ?? NaN)).toBe(sums?.min);
    });
  },
);

it('asks the tensors that are computed first last in the file, so that the engine does not keep them all', () => {
  const chain = buildModel((b) => {
    let value = b.input('x', 'float32', [4]);
    for (const name of ['a', 'b', 'c', 'unasked']) value = b.op('Relu', [value], { outputs: [name] });
    b.output(value, 'float32', [4]);
  });
  const { graph } = expose(chain, new Map(['a', 'b', 'c', 'x'].map((name) => [name, [smallest]]))).model;
  expect(graph.nodes.map(({ op, inputs }) => `${op} ${inputs[0] ?? ''}`)).toEqual([
    ...['Relu x', 'Relu a', 'Relu b'],
    ...['ReduceMin c', 'ReduceMin b', 'ReduceMin a', 'ReduceMin x'],
  ]);
});
