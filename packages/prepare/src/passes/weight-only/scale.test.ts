/** Where the division by the scales of AWQ ends up. */
import type { Tensors } from '@slipway/core';
import { buildModel, type Model } from '@slipway/onnx';
import { describe, expect, it } from 'vitest';
import { runningContext } from '../testing/context.ts';
import { datasetOf, floats, floatWeight, relativeError, runModel, uniform } from '../testing/run.ts';
import { weightsPass } from './pass.ts';
import type { WeightsSpec } from './settings.ts';

const rows = (count: number, seed: number): Tensors => ({ x: floats([count, 48], seed) });

describe('awq', () => {
  it('puts the division into the normalization before, where products alone read it', async () => {
    const build = (read: 'products' | 'others too'): Model =>
      buildModel((b) => {
        const x = b.input('x', 'float32', ['batch', 48]);
        const gain = b.floats(
          'gain',
          [48],
          uniform(48, 9).map((value, i) => (i % 7 === 0 ? 20 : 1) * (1.5 + value)),
        );
        const normal = b.op('LayerNormalization', [x, gain, b.floats('shift', [48], uniform(48, 8))], { name: 'norm' });
        b.initializer(floatWeight('Q', [48, 64], 1));
        b.initializer(floatWeight('K', [48, 64], 2));
        b.output(b.op('Sub', [b.op('MatMul', [normal, 'Q']), b.op('MatMul', [normal, 'K'])]), 'float32', null);
        if (read === 'others too') b.output(b.op('Relu', [normal]), 'float32', null);
      });
    const count = (model: Model, op: string): number => model.graph.nodes.filter((node) => node.op === op).length;
    for (const format of ['matmulnbits', 'dequantize'] as const) {
      const awq = async (source: Model, options: Partial<WeightsSpec> = {}) => {
        using context = runningContext(datasetOf(source, rows(300, 5)));
        const level = format === 'dequantize' ? {} : { accuracyLevel: 0 as const };
        const chosen = { pass: 'quantize.weights', bits: 8, blockSize: 16, algorithm: 'awq', format } as const;
        const result = await weightsPass.apply(source, { ...chosen, ...level, ...options }, context);
        const [want, got] = [
          await runModel(source, rows(60, 6), context),
          await runModel(result.model, rows(60, 6), context),
        ];
        return { ...result, error: Math.max(...Object.keys(want).map((name) => relativeError(got[name], want[name]))) };
      };
      const folded = await awq(build('products'));
      expect(count(folded.model, 'Mul')).toBe(0);
      expect([...folded.model.graph.initializers.keys()]).not.toContain('gain');
      expect(folded.error).toBeLessThan(0.02);
      const others: readonly [Model, Partial<WeightsSpec>][] = [
        [build('others too'), {}],
        [build('products'), { exclude: ['norm'] }],
      ];
      for (const [source, options] of others) {
        const inserted = await awq(source, options);
        expect(count(inserted.model, 'Mul')).toBe(1);
        expect([...inserted.model.graph.initializers.keys()]).toContain('gain');
        expect(inserted.error).toBeLessThan(0.02);
      }
    }
  });
});
