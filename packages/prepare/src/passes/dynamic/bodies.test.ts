/** Bodies of If, Loop and Scan, with weights of their own and weights from around them, quantized and run. */
import type { Tensors } from '@slipway/core';
import { type Builder, buildGraph, buildModel, graphAttribute, intAttribute, type Model } from '@slipway/onnx';
import { describe, expect, it } from 'vitest';
import { offlineContext, runningContext } from '../testing/context.ts';
import { floats, relativeError, runModel, uniform } from '../testing/run.ts';
import { dynamicPass } from './pass.ts';

const matrix = (b: Builder, name: string, seed: number): string =>
  b.floats(
    name,
    [4, 4],
    uniform(16, seed).map((value) => value / 2),
  );

/** A choice of two branches: each with a weight named "inner" of its own, both with "shared" from outside. */
const choice = (): Model =>
  buildModel(
    (b) => {
      const x = b.input('x', 'float32', ['batch', 4]);
      const shared = matrix(b, 'shared', 1);
      const branch = (name: string, seed: number) =>
        buildGraph((inner) => {
          const hidden = inner.op('MatMul', [x, shared], { name: `${name}_first`, outputs: [`${name}_hidden`] });
          const made = inner.op('MatMul', [hidden, matrix(inner, `${name}_inner`, seed)], {
            name: `${name}_second`,
            outputs: [`${name}_out`],
          });
          inner.output(made, 'float32', null);
        }, name);
      const attributes = [
        graphAttribute('then_branch', branch('then', 2)),
        graphAttribute('else_branch', branch('else', 3)),
      ];
      b.op('If', [b.input('which', 'bool', [])], { name: 'choice', attributes, outputs: ['y'] });
      b.output('y', 'float32', null);
      b.output(b.op('MatMul', [x, shared], { name: 'main', outputs: ['z'] }), 'float32', null);
    },
    { opset: 13 },
  );

/** state ← state · W, three times; the product of each round is an output too. */
const loop = (): Model =>
  buildModel(
    (b) => {
      const x = b.input('x', 'float32', ['batch', 4]);
      const weight = matrix(b, 'W', 1);
      const body = buildGraph((inner) => {
        inner.input('round', 'int64', []);
        const more = inner.input('more', 'bool', []);
        const state = inner.input('state', 'float32', null);
        const next = inner.op('MatMul', [state, weight], { name: 'step', outputs: ['next'] });
        inner.output(inner.op('Identity', [more], { outputs: ['more_out'] }), 'bool', []);
        inner.output(next, 'float32', null);
        inner.output(inner.op('Identity', [next], { outputs: ['each'] }), 'float32', null);
      }, 'body');
      const count = b.constant('count', { dtype: 'int64', shape: [], data: BigInt64Array.of(3n) });
      b.op('Loop', [count, '', x], {
        name: 'loop',
        attributes: [graphAttribute('body', body)],
        outputs: ['last', 'all'],
      });
      b.output('last', 'float32', null);
      b.output('all', 'float32', null);
    },
    { opset: 13 },
  );

const scan = (): Model =>
  buildModel(
    (b) => {
      const x = b.input('x', 'float32', ['steps', 4]);
      const body = buildGraph((inner) => {
        const row = inner.input('row', 'float32', [4]);
        const two = inner.op('Unsqueeze', [row, inner.integers('axes', [1], [0])]);
        const kernel = inner.op('Transpose', [matrix(inner, 'V', 4)]);
        inner.output(inner.op('MatMul', [two, kernel], { name: 'project' }), 'float32', null);
      }, 'body');
      const attributes = [graphAttribute('body', body), intAttribute('num_scan_inputs', 1)];
      b.output(b.op('Scan', [x], { name: 'scan', attributes, outputs: ['y'] }), 'float32', null);
    },
    { opset: 13 },
  );

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
