import { tensor, type Tensors } from '@slipway/core';
import type { Runner } from '@slipway/runtime';
import { describe, expect, it } from 'vitest';
import { keepAnswers } from './answers.ts';

/** Doubles `x`, and counts. */
function doubling(): { readonly runner: Runner; readonly calls: () => number } {
  let calls = 0;
  const run = (inputs: Tensors): Promise<Tensors> => {
    calls++;
    const { data, shape } = inputs['x']!;
    return Promise.resolve({
      y: tensor(
        'float32',
        shape,
        (data as Float32Array).map((value) => 2 * value),
      ),
    });
  };
  return { runner: { run } as Partial<Runner> as Runner, calls: () => calls };
}

const row = (...values: number[]): Tensors => ({ x: tensor('float32', [values.length], Float32Array.from(values)) });

describe('answers that are kept', () => {
  it('are given again for the same inputs, and for no others', async () => {
    const { runner, calls } = doubling();
    const kept = keepAnswers().of(runner);
    const first = await kept.run(row(1, 2));
    expect(first['y']!.data).toEqual(Float32Array.of(2, 4));
    expect(await kept.run(row(1, 2))).toEqual(first);
    expect(calls()).toBe(1);
    expect((await kept.run(row(1, 3)))['y']!.data).toEqual(Float32Array.of(2, 6));
    await kept.run({ x: tensor('float32', [2, 1], Float32Array.of(1, 2)) });
    expect(calls()).toBe(3);
  });

  it('are of one model each', async () => {
    const answers = keepAnswers();
    const [one, other] = [doubling(), doubling()];
    await answers.of(one.runner).run(row(1));
    await answers.of(other.runner).run(row(1));
    await answers.of(one.runner).run(row(1));
    expect([one.calls(), other.calls()]).toEqual([1, 1]);
  });

  it('are computed again when there is no room for them', async () => {
    const { runner, calls } = doubling();
    const kept = keepAnswers(8).of(runner);
    for (const values of [[1, 2], [3], [1, 2], [3]]) await kept.run(row(...values));
    expect(calls()).toBe(3);
  });
});
