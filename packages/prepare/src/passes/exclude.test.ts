import { createGraph, createModel, createNode, initializerOf } from '@slipway/onnx';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { exclusion, matcher } from './exclude.ts';

const weight = initializerOf('encoder.0.weight', { dtype: 'float32', shape: [1, 1], data: Float32Array.of(1) });
const model = createModel({
  graph: createGraph({
    nodes: [
      createNode('MatMul', ['x', 'encoder.0.weight'], ['y'], { name: '/encoder/MatMul' }),
      createNode('Relu', ['y'], ['z']),
    ],
    initializers: [weight],
  }),
});

describe('exclude', () => {
  it('matches names exactly, and any run of characters with *', () => {
    const excluded = exclusion('quantize.dynamic', ['/encoder/*', 'encoder.0.weight'], model);
    expect(excluded.has('/encoder/MatMul')).toBe(true);
    expect(excluded.has('encoder.0.weight')).toBe(true);
    expect(excluded.has('encoder_0_weight')).toBe(false);
    expect(excluded.has('')).toBe(false);
  });

  it('refuses a pattern that matches nothing, and says what was probably meant', () => {
    expect(() => exclusion('quantize.dynamic', ['/encoder/Matmull'], model)).toThrow(
      'Pass quantize.dynamic cannot be applied: the exclude pattern "/encoder/Matmull" matches no node and no initializer, did you mean "/encoder/MatMul"?',
    );
  });

  it('does not match nodes without a name', () => {
    expect(exclusion('quantize.dynamic', ['*'], model).has('')).toBe(false);
  });

  it('agrees with the regular expression that a pattern stands for', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', '*', '.'), maxLength: 8 });
    fc.assert(
      fc.property(text, text, (pattern, name) => {
        const escaped = pattern.split('*').map((part) => part.replaceAll('.', '\\.'));
        expect(matcher(pattern)(name)).toBe(new RegExp(`^${escaped.join('.*')}$`).test(name));
      }),
      { numRuns: 1000 },
    );
  });

  it('stays fast on a hostile pattern', () => {
    expect(matcher('*a'.repeat(40) + 'b')('a'.repeat(100_000))).toBe(false);
  });
});
