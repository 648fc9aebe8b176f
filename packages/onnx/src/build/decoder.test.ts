import { describe, expect, it } from 'vitest';
import { checkModel } from '../check/check.ts';
import { encodeModel } from '../codec/decode.ts';
import { inferShapes } from '../infer/infer.ts';
import { countOf } from '../ir/elements.ts';
import { describeType } from '../ir/type.ts';
import { decoderModel, type DecoderOptions } from './decoder.ts';

const SMALL: DecoderOptions = {
  layers: 2,
  hidden: 32,
  heads: 4,
  groups: 2,
  intermediate: 48,
  vocabulary: 50,
  maxPositions: 16,
};

describe('decoderModel', () => {
  it.each<[string, DecoderOptions]>([
    ['as exported', {}],
    ['with padding', { padding: true }],
    ['with compared positions', { mask: 'comparison', padding: true }],
    ['with tables', { mask: 'table', rotary: 'table' }],
    ['with neighbours turned', { rotary: 'interleaved' }],
    ['with positions as an input', { positions: true, rotary: 'interleaved' }],
    ['with a key per query', { groups: 4 }],
    ['of an old operator set', { opset: 14 }],
    ['of a new operator set', { opset: 23 }],
  ])('is a valid model whose shapes follow from the inputs: %s', (_, options) => {
    const model = decoderModel({ ...SMALL, ...options });
    expect(checkModel(model)).toEqual([]);
    const { values, unknown } = inferShapes(model);
    expect(unknown).toEqual([]);
    expect(describeType(values.get('logits') ?? null)).toBe('float32[batch, sequence, 50]');
  });

  it('gives the same bytes for the same seed, and others for another', () => {
    expect(encodeModel(decoderModel(SMALL))).toEqual(encodeModel(decoderModel(SMALL)));
    expect(encodeModel(decoderModel({ ...SMALL, seed: 2 }))).not.toEqual(encodeModel(decoderModel(SMALL)));
  });

  it('has as many parameters per layer as Llama: 2·h² + 2·h·g·w + 3·h·i + 2·h', () => {
    const parameters = (layers: number): number =>
      [...decoderModel({ ...SMALL, layers }).graph.initializers.values()]
        .filter(({ dtype }) => dtype === 'float32')
        .reduce((sum, weight) => sum + countOf(weight), 0);
    expect(parameters(2) - parameters(1)).toBe(2 * 32 ** 2 + 2 * 32 * 2 * 8 + 3 * 32 * 48 + 2 * 32);
  });

  it('refuses sizes that do not divide', () => {
    expect(() => decoderModel({ ...SMALL, heads: 5 })).toThrow(RangeError);
    expect(() => decoderModel({ ...SMALL, groups: 3 })).toThrow(RangeError);
    expect(() => decoderModel({ ...SMALL, mask: 'table', padding: true })).toThrow(RangeError);
  });
});
