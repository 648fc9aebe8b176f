import type { Signature } from '@slipway/core';
import { describe, expect, it } from 'vitest';
import { generateRows } from './generated.ts';
import { measureInterleaved } from './latency.ts';

const signature: Signature = {
  inputs: [{ name: 'x', dtype: 'float32', shape: ['n', 2] }],
  outputs: [{ name: 'y', dtype: 'float32', shape: ['n', 2] }],
};
const rows = generateRows(signature, 5, 1);
const settings = { batch: 1, iterations: 30, warmup: 2 };
const quiet = { signal: new AbortController().signal, onRound: (): void => undefined };

describe('interleaved rounds', () => {
  it('let all models take turns, each first about as often, with other rows in every round', async () => {
    const order: string[] = [];
    const seen = new Set<number>();
    const runner = (name: string, ms: number) => ({
      measure: (
        inputs: { readonly [name: string]: { readonly data: ArrayLike<unknown> } },
        { iterations }: { iterations: number },
      ) => {
        if (iterations > 1) {
          order.push(name);
          seen.add(Number(inputs['x']!.data[0]));
        }
        return Promise.resolve({ timesMs: new Float64Array(iterations).fill(ms) });
      },
    });
    const runners = new Map([
      ['a', runner('a', 1)],
      ['b', runner('b', 2)],
      ['c', runner('c', 3)],
    ]);
    const results = await measureInterleaved(runners, rows, settings, quiet);
    expect(order).toHaveLength(45);
    expect(order.slice(0, 6).join('')).toBe('abcbca');
    expect(seen.size).toBe(5);
    const b = results.get('b') as { timesMs: Float64Array; roundMs: Float64Array };
    expect(b.timesMs).toHaveLength(30);
    expect([...b.roundMs]).toEqual(Array.from({ length: 15 }, () => 2));
  });

  it('go on without a model that fails', async () => {
    let calls = 0;
    const dying = {
      measure: () => {
        if (++calls > 3) throw new Error('gone');
        return Promise.resolve({ timesMs: new Float64Array(2).fill(1) });
      },
    };
    const living = { measure: () => Promise.resolve({ timesMs: new Float64Array(2).fill(1) }) };
    const results = await measureInterleaved(
      new Map([
        ['dying', dying],
        ['living', living],
      ]),
      rows,
      settings,
      quiet,
    );
    expect(results.get('dying')).toMatchObject({ code: 'INTERNAL' });
    expect(results.get('living')).toHaveProperty('timesMs');
    expect(calls).toBe(4);
  });
});
