import { tensor, type Tensors } from '@slipway/core';
import { describe, expect, it } from 'vitest';
import { parityMeter, sqnr } from './parity.ts';

const logits = (...values: number[]): Tensors => ({
  logits: tensor('float32', [values.length / 2, 2], Float32Array.from(values)),
});

describe('parity', () => {
  it('measures signal to noise in decibels', () => {
    expect(sqnr(25, 0.25)).toBeCloseTo(20, 12);
    const meter = parityMeter('m', 'logits');
    meter.add(logits(3, 4), logits(3, 4.5), 1);
    expect(meter.result().sqnrDb).toBeCloseTo(20, 12);
    expect(meter.result().maxAbsoluteError).toBe(0.5);
    expect(meter.result().cosine).toBeCloseTo((9 + 18) / (5 * Math.hypot(3, 4.5)), 12);
  });

  it('has no noise to speak of when the outputs are identical', () => {
    const meter = parityMeter('m', 'logits');
    meter.add(logits(1, 2, 3, 4), logits(1, 2, 3, 4), 2);
    const expected = { rows: 2, sqnrDb: null, cosine: 1, maxAbsoluteError: 0, argmaxAgreement: 1 };
    expect(meter.result()).toEqual(expected);
  });

  it('adds up over batches, and counts rows whose predicted class changed', () => {
    const meter = parityMeter('m', 'logits');
    meter.add(logits(1, 2, 4, 3), logits(2, 1, 4, 3), 2);
    meter.add(logits(1, 2), logits(1, 2), 1);
    expect(meter.result().rows).toBe(3);
    expect(meter.result().argmaxAgreement).toBeCloseTo(2 / 3, 12);
  });

  it('lets the worst output speak', () => {
    const pair = (second: number): Tensors => ({
      good: tensor('float32', [1, 1], Float32Array.of(1000)),
      bad: tensor('float32', [1, 1], Float32Array.of(second)),
    });
    const meter = parityMeter('m', null);
    meter.add(pair(1), pair(2), 1);
    expect(meter.result()).toMatchObject({ sqnrDb: 0, argmaxAgreement: null });
  });

  it('ignores what the source leaves undefined, and refuses what only the candidate does', () => {
    const meter = parityMeter('m', 'logits');
    meter.add(logits(1, -Infinity), logits(1, 5), 1);
    expect(meter.result().sqnrDb).toBeNull();
    expect(() => meter.add(logits(1, 2), logits(1, NaN), 1)).toThrow('output "logits" is NaN where the source gives 2');
  });

  it('reads float16, 64-bit integers and text', () => {
    const meter = parityMeter('m', null);
    const half = (bits: number): Tensors => ({ h: tensor('float16', [1], Uint16Array.of(bits)) });
    meter.add(half(0x3c00), half(0x4000), 1);
    expect(meter.result().maxAbsoluteError).toBe(1);
    const long = (value: bigint): Tensors => ({ l: tensor('int64', [1], BigInt64Array.of(value)) });
    meter.add(long(5n), long(8n), 1);
    expect(meter.result().maxAbsoluteError).toBe(3);
    const text = (value: string): Tensors => ({ s: tensor('string', [1], [value]) });
    meter.add(text('cat'), text('dog'), 1);
    expect(meter.result().cosine).toBe(0);
  });
});
