import { describe, expect, it } from 'vitest';
import { checkModel } from '../check/check.ts';
import { encodeModel } from '../codec/decode.ts';
import { inferShapes } from '../infer/infer.ts';
import { countOf } from '../ir/elements.ts';
import { describeType } from '../ir/type.ts';
import { encoderModel, type EncoderOptions } from './encoder.ts';
import { normalFiller } from './random.ts';

const SMALL: EncoderOptions = { layers: 2, hidden: 16, heads: 4, vocabulary: 50, maxPositions: 12 };

describe('encoderModel', () => {
  it.each<[string, EncoderOptions, string]>([
    ['as exported', {}, 'float32[batch, 2]'],
    ['without a head', { labels: 0 }, 'float32[batch, sequence, 16]'],
    ['with operators of opset 20', { opset: 20, layerNorm: 'operator', gelu: 'operator' }, 'float32[batch, 2]'],
    ['with approximate GELU', { gelu: 'tanh' }, 'float32[batch, 2]'],
    ['of an old operator set', { opset: 12 }, 'float32[batch, 2]'],
  ])('is a valid model whose shapes follow from the inputs: %s', (_, options, output) => {
    const model = encoderModel({ ...SMALL, ...options });
    expect(checkModel(model)).toEqual([]);
    const { values, unknown } = inferShapes(model);
    expect(unknown).toEqual([]);
    expect(describeType(values.get(model.graph.outputs[0]?.name ?? '') ?? null)).toBe(output);
  });

  it('gives the same bytes for the same seed, and others for another', () => {
    expect(encodeModel(encoderModel(SMALL))).toEqual(encodeModel(encoderModel(SMALL)));
    expect(encodeModel(encoderModel({ ...SMALL, seed: 2 }))).not.toEqual(encodeModel(encoderModel(SMALL)));
  });

  it('has as many parameters per layer as BERT: 12·h² + 13·h', () => {
    const parameters = (layers: number): number =>
      [...encoderModel({ ...SMALL, layers }).graph.initializers.values()]
        .filter(({ dtype }) => dtype === 'float32')
        .reduce((sum, weight) => sum + countOf(weight), 0);
    expect(parameters(2) - parameters(1)).toBe(12 * 16 ** 2 + 13 * 16);
  });

  it('refuses heads that do not divide the width', () => {
    expect(() => encoderModel({ ...SMALL, heads: 5 })).toThrow(RangeError);
  });
});

describe('normalFiller', () => {
  it('draws from a normal distribution', () => {
    const values = normalFiller(7)(new Float32Array(200_000), 2, 1);
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
    const beyond = (deviations: number): number =>
      values.filter((value) => Math.abs(value - 1) > 2 * deviations).length / values.length;
    expect(mean).toBeCloseTo(1, 1);
    expect(deviation).toBeCloseTo(2, 1);
    expect(beyond(1)).toBeCloseTo(0.317, 2);
    expect(beyond(2)).toBeCloseTo(0.0455, 2);
    expect(beyond(3)).toBeCloseTo(0.0027, 3);
  });
});
