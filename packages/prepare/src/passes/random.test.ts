/** Every pass on random CNNs: whatever the graph, the result loads and computes nearly what the source computes. */
import { hasCode, type PassSpec } from '@slipway/core';
import type { Model } from '@slipway/onnx';
import { expect, it } from 'vitest';
import { PASSES } from './index.ts';
import { runningContext } from './testing/context.ts';
import { randomCnn } from './testing/random-cnn.ts';
import { datasetOf, floats, relativeError, runModel } from './testing/run.ts';

const SPECS: readonly (readonly [spec: PassSpec, bound: number])[] = [
  [{ pass: 'quantize.static' }, 0.2],
  [{ pass: 'quantize.static', activations: 'int8', perChannel: false }, 0.2],
  [{ pass: 'quantize.static', weights: 'uint8' }, 0.2],
  [{ pass: 'quantize.dynamic' }, 0.2],
  [{ pass: 'quantize.weights', bits: 8 }, 0.2],
  [{ pass: 'quantize.weights', bits: 8, format: 'dequantize', symmetric: true, blockSize: 16 }, 0.2],
  [{ pass: 'quantize.weights', bits: 8, algorithm: 'gptq', accuracyLevel: 0 }, 0.2],
  [{ pass: 'quantize.weights', bits: 8, algorithm: 'awq', accuracyLevel: 0 }, 0.2],
  [{ pass: 'batch.dynamic' }, 1e-4],
  [{ pass: 'optimize' }, 1e-4],
];

it.each(Array.from({ length: 24 }, (_, seed) => seed))('random CNN %i', async (seed) => {
  const source = randomCnn(seed);
  const inputs = { x: floats([1, 4, 8, 8], seed) };
  using context = runningContext(datasetOf(source, { x: floats([24, 4, 8, 8], seed) }));
  const expected = await runModel(source, inputs, context);
  for (const [spec, bound] of SPECS) {
    let model: Model;
    try {
      ({ model } = await PASSES[spec.pass].apply(source, spec as never, context));
    } catch (error) {
      expect(hasCode(error, 'PASS_NOT_APPLICABLE')).toBe(true);
      expect(spec.pass).toMatch(/^quantize/);
      continue;
    }
    const actual = await runModel(model, inputs, context);
    for (const [name, value] of Object.entries(expected)) {
      // A Clip or Relu may leave nothing but zeros: then nothing can be said relative to them.
      if ((value.data as Float32Array).some((each) => Math.abs(each) > 0.02)) {
        expect(relativeError(actual[name], value), `${spec.pass} ${name}`).toBeLessThan(bound);
      }
    }
  }
});
