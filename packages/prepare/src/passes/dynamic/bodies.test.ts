/** Bodies of If, Loop and Scan, with weights of their own and weights from around them, quantized and run. */
import type { Tensors } from '@slipway/core';
import type { Model } from '@slipway/onnx';
import { describe, expect, it } from 'vitest';
import { offlineContext, runningContext } from '../testing/context.ts';
import { choice, loop, scan } from '../testing/bodies.ts';
import { floats, relativeError, runModel } from '../testing/run.ts';
import { dynamicPass } from './pass.ts';

async function quantize(source: Model, options: Partial<Parameters<typeof dynamicPass.apply>[1]> = {}) {
  return dynamicPass.apply(source, { pass: 'quantize.dynamic', ...options }, offlineContext());
}

async function errorOf(source: Model, quantized: Model, inputs: Tensors): Promise<number> {
  using context = runningContext();
  const [expected, actual] = [await runModel(source, inputs, context), await runModel(quantized, inputs, context)];
  return Math.max(...Object.keys(expected).map((name) => relativeError(actual[name], expected[name])));
}

const bool = (value: number) => ({ dtype: 'bool', shape: [], data: Uint8Array.of(value) }) as const;

describe('bodies of control flow', () => {
  it('of If: both branches, with a weight they share with the graph around them', async () => {
    const { model, notes } = await quantize(choice());
    expect(notes[0]).toBe('5 matrix products compute in 8-bit integers; constants 192 → 108 bytes.');
    expect(dynamicPass.assess(choice()).targets).toBe(5);
    // Stored once, where it was, and gone where it was.
    expect([...model.graph.initializers.keys()].sort()).toEqual([
      'shared_quantized',
      'shared_scale',
      'shared_zero_point',
    ]);
    for (const which of [0, 1]) {
      expect(await errorOf(choice(), model, { x: floats([3, 4], 5), which: bool(which) })).toBeLessThan(0.03);
    }
  });

  it('of Loop: a weight from outside, an activation carried along', async () => {
    const { model } = await quantize(loop());
    expect(model.graph.initializers.has('W')).toBe(false);
    expect(await errorOf(loop(), model, { x: floats([3, 4], 5) })).toBeLessThan(0.05);
  });

  it('of Scan: constants folded inside', async () => {
    const { model, notes } = await quantize(scan());
    expect(notes[0]).toMatch(/^1 matrix product computes/);
    expect(await errorOf(scan(), model, { x: floats([5, 4], 5) })).toBeLessThan(0.03);
  });

  it('leaves what is excluded in them, by name', async () => {
    const { model, notes } = await quantize(choice(), { exclude: ['then_*'] });
    expect(notes[0]).toMatch(/^3 matrix products/);
    expect(notes).toContain('Left alone because excluded: MatMul node "then_first", MatMul node "then_second".');
    expect(model.graph.initializers.has('shared')).toBe(true);
    for (const which of [0, 1]) {
      expect(await errorOf(choice(), model, { x: floats([3, 4], 5), which: bool(which) })).toBeLessThan(0.03);
    }
  });
});
