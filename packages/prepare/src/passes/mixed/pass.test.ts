import type { PassSpec, Tensor } from '@slipway/core';
import { createDataset } from '@slipway/core';
import { buildModel, inferShapes, type Model, signatureOf } from '@slipway/onnx';
import { describe, expect, it } from 'vitest';
import type { PassResult } from '../../pass.ts';
import { parityMeter } from '../../validate/parity.ts';
import { convert } from '../float16/convert.ts';
import { PASSES } from '../index.ts';
import { runningContext } from '../testing/context.ts';
import { dump } from '../testing/dump.ts';
import { randomCnn } from '../testing/random-cnn.ts';
import { bytesOfModel, datasetOf, floats, runModel, uniform } from '../testing/run.ts';

async function apply(model: Model, x: Tensor, options: object, labels: Tensor | null = null): Promise<PassResult> {
  const rowCount = x.shape[0] ?? 0;
  const rows = createDataset(signatureOf(model), { x }, labels, { rowCount, firstRow: 0 });
  using context = runningContext(rows);
  const spec = { pass: 'precision.mixed', ...options } as PassSpec;
  return await PASSES[spec.pass].apply(model, spec as never, context);
}

/** Two products and, between them, a detour over values of a million. */
const overflowing = buildModel((b) => {
  b.input('x', 'float32', ['n', 4]);
  b.floats('W', [4, 4], uniform(16, 1));
  b.floats('V', [4, 3], uniform(12, 2));
  b.floats('up', [], [128]);
  b.floats('more', [], [8192]);
  b.floats('down', [], [2 ** -22]);
  b.op('MatMul', ['x', 'W'], { name: 'first', outputs: ['h'] });
  b.op('Mul', ['h', 'up'], { name: 'grow', outputs: ['large'] });
  b.op('Mul', ['large', 'more'], { name: 'overflow', outputs: ['larger'] });
  b.op('Mul', ['larger', 'down'], { name: 'shrink', outputs: ['back'] });
  b.op('Tanh', ['back'], { name: 'squash', outputs: ['t'] });
  b.op('MatMul', ['t', 'V'], { name: 'second', outputs: ['y'] });
  b.output('y', 'float32', ['n', 3]);
});

/** SQNR of a model in which the nodes that are float16 compute so to the letter. */
async function strictSqnr(source: Model, model: Model, x: Tensor): Promise<number | null> {
  const low = new Set(
    model.graph.nodes
      .filter(({ op, outputs }) => {
        const type = inferShapes(model).values.get(outputs[0] ?? '');
        return op !== 'Cast' && type?.kind === 'tensor' && type.dtype === 'float16';
      })
      .map(({ name }) => name),
  );
  const types = inferShapes(source).values;
  const strict = convert(source, types, (node) => low.has(node.name), {
    keepIo: true,
    explicit: true,
    keep: (one) => one,
  }).model;
  using context = runningContext();
  const meter = parityMeter('strict', null);
  meter.add(await runModel(source, { x }, context), await runModel(strict, { x }, context), x.shape[0] ?? 0);
  return meter.result().sqnrDb;
}

describe('precision.mixed', () => {
  const x = floats([32, 4], 7);

  it('keeps in float32 what overflows where plain float16 gives NaN, and writes what the golden file holds', async () => {
    const types = inferShapes(overflowing).values;
    const plain = convert(overflowing, types, () => true, { keepIo: true, explicit: true, keep: (one) => one }).model;
    using context = runningContext();
    const broken = (await runModel(plain, { x }, context))['y']?.data as Float32Array;
    // Everything beyond ±65,504 is infinite: Tanh gives ±1 where it should give a few tenths.
    const expected = (await runModel(overflowing, { x }, context))['y']?.data as Float32Array;
    expect(Math.abs((broken[0] ?? 0) - (expected[0] ?? 0))).toBeGreaterThan(0.1 * Math.abs(expected[0] ?? 0));

    const { model, notes } = await apply(overflowing, x, {});
    await expect(`${dump(model)}\n${notes.join('\n')}\n`).toMatchFileSnapshot('golden/overflow.txt');
    expect(await strictSqnr(overflowing, model, x)).toBeGreaterThan(50);
    const kept = notes.filter((note) => note.startsWith('Stays float32'));
    expect(kept).toHaveLength(1);
    expect(kept[0]).toContain('"overflow"');
  });

  it('keeps the tolerance in float16 to the letter on random graphs, and gives the same bytes twice', async () => {
    for (let seed = 0; seed < 8; seed++) {
      const source = randomCnn(seed);
      const one = floats([1, 4, 8, 8], seed);
      for (const sqnrDb of [40, 65]) {
        let result: PassResult;
        try {
          result = await apply(source, one, { sqnrDb, maxRuns: 24 });
        } catch (error) {
          expect(String(error)).toContain('no part of the model can be float16');
          continue;
        }
        const achieved = await strictSqnr(source, result.model, one);
        if (achieved !== null) expect(achieved, `seed ${seed}`).toBeGreaterThanOrEqual(sqnrDb);
        if (seed > 1) continue;
        const again = await apply(source, one, { sqnrDb, maxRuns: 24 });
        expect(bytesOfModel(again.model) === bytesOfModel(result.model)).toBe(true);
      }
    }
  });

  it('can be held to a metric on labelled rows', async () => {
    using context = runningContext();
    const scores = (await runModel(overflowing, { x }, context))['y']?.data as Float32Array;
    const best = Array.from({ length: 32 }, (_, row) => {
      const own = scores.subarray(row * 3, row * 3 + 3);
      return BigInt(own.indexOf(Math.max(...own)));
    });
    const labels: Tensor = { dtype: 'int64', shape: [32], data: BigInt64Array.from(best) };
    const { notes } = await apply(overflowing, x, { metric: 'accuracy', drop: 0 }, labels);
    expect(notes[1]).toContain('accuracy 1.000, with accuracy at most 0 worse than 1.000 asked for');
    await expect(apply(overflowing, x, { metric: 'accuracy' })).rejects.toThrow('needs labels in the calibration data');
  });

  it('says what was not decided within the runs it has, and refuses what cannot be', async () => {
    const { notes } = await apply(overflowing, x, { maxRuns: 4 });
    expect(notes.join('\n')).toContain('4 models were not enough to decide');
    await expect(apply(overflowing, x, { sqnrDb: 400, maxRuns: 20 })).rejects.toThrow(
      'no part of the model can be float16',
    );
    await expect(apply(overflowing, x, { sqnrDb: 400, only: ['first'], maxRuns: 1 })).rejects.toThrow('after 1 model;');
  });

  it('stops when it is told to', async () => {
    const controller = new AbortController();
    using context = runningContext(datasetOf(overflowing, { x }));
    const stopping = {
      ...context,
      signal: controller.signal,
      runModel: (...call: Parameters<typeof context.runModel>) => {
        if (call[0].endsWith('trial.onnx')) controller.abort();
        return context.runModel(...call);
      },
    };
    const spec = { pass: 'precision.mixed' } as const;
    await expect(PASSES['precision.mixed'].apply(overflowing, spec, stopping)).rejects.toThrow('aborted');
  });
});

describe('precision.float16 with calibration rows', () => {
  it('keeps in float32 what the rows show to overflow, or to be mostly too small', async () => {
    const model = buildModel((b) => {
      b.input('x', 'float32', ['n', 4]);
      b.floats('up', [], [1e6]);
      b.floats('down', [], [1e-6]);
      b.op('Mul', ['x', 'up'], { name: 'grow', outputs: ['large'] });
      b.op('Mul', ['large', 'down'], { name: 'shrink', outputs: ['back'] });
      b.op('Mul', ['back', 'down'], { name: 'vanish', outputs: ['tiny'] });
      b.op('Relu', ['back'], { name: 'stays', outputs: ['y'] });
      b.output('tiny', 'float32', ['n', 4]);
      b.output('y', 'float32', ['n', 4]);
    });
    using context = runningContext(datasetOf(model, { x: floats([8, 4], 1) }));
    const { notes, model: result } = await PASSES['precision.float16'].apply(
      model,
      { pass: 'precision.float16' },
      context,
    );
    expect(notes).toContain(
      'Stays float32: Mul node "grow", Mul node "shrink": values beyond ±65,504 on calibration rows.',
    );
    expect(notes).toContain('Stays float32: Mul node "vanish": values mostly below 2^-14 on calibration rows.');
    expect(notes).toContain('Ranges looked at on 8 calibration rows.');
    expect(result.graph.initializers.get('up')?.dtype).toBe('float32');
  });
});
