/** What decoders are fused into computes the same in ONNX Runtime, whatever the mask holds. */
import { randomStream, type Tensors } from '@slipway/core';
import { decoderModel, type DecoderOptions, encoderModel, type EncoderOptions, type Model } from '@slipway/onnx';
import { describe, expect, it } from 'vitest';
import { fusePass } from './fuse.ts';
import { offlineContext, runningContext } from './testing/context.ts';
import { relativeError, runModel } from './testing/run.ts';

const SMALL: DecoderOptions = {
  layers: 2,
  hidden: 32,
  heads: 4,
  groups: 2,
  intermediate: 40,
  vocabulary: 50,
  maxPositions: 16,
};

type Padding = 'none' | 'right' | 'left' | 'a row';

/** Three rows of `length` tokens; `padding` says which of the second row count. */
function tokens(model: Model, length: number, padding: Padding, seed: number): Tensors {
  const random = randomStream(seed);
  const filled = (value: (row: number, column: number) => number): Tensors[string] => ({
    dtype: 'int64',
    shape: [3, length],
    data: BigInt64Array.from({ length: 3 * length }, (_, i) => BigInt(value(Math.floor(i / length), i % length))),
  });
  const counts = (row: number, column: number): boolean =>
    row !== 1 || { none: true, right: column < length - 2, left: column >= 2, 'a row': false }[padding];
  const all: Tensors = {
    input_ids: filled(() => Math.floor(random() * 50)),
    attention_mask: filled((row, column) => Number(counts(row, column))),
    position_ids: filled((row, column) => (column + 2 * row) % 16),
    token_type_ids: filled((_, column) => Number(column > 2)),
  };
  return Object.fromEntries(
    model.graph.inputs.flatMap(({ name }) => (name in all ? [[name, all[name] ?? fail()]] : [])),
  );
}

const fail = (): never => {
  throw new Error('an input is missing');
};

async function fused(model: Model): Promise<{ readonly model: Model; readonly ops: readonly string[] }> {
  const result = await fusePass.apply(model, { pass: 'fuse' }, offlineContext());
  return { model: result.model, ops: result.model.graph.nodes.map(({ op }) => op) };
}

async function largestError(model: Model, other: Model, paddings: readonly Padding[]): Promise<number> {
  using context = runningContext();
  const errors: number[] = [];
  for (const [index, padding] of paddings.entries()) {
    for (const length of [1, 7]) {
      const inputs = tokens(model, length, padding, 10 * index + length);
      const [expected, actual] = [await runModel(model, inputs, context), await runModel(other, inputs, context)];
      for (const [name, value] of Object.entries(expected)) errors.push(relativeError(actual[name], value));
    }
  }
  return errors.reduce((most, error) => (Number.isNaN(error) ? Infinity : Math.max(most, error)), 0);
}

describe('fuse, on decoders', () => {
  const all: readonly Padding[] = ['none', 'right', 'left', 'a row'];

  it.each<[string, DecoderOptions, string, readonly Padding[]]>([
    ['as exported', {}, 'GroupQueryAttention', ['none']],
    ['with compared positions', { mask: 'comparison' }, 'GroupQueryAttention', ['none']],
    ['with padding', { padding: true }, 'GroupQueryAttention', all],
    ['with tables', { mask: 'table', rotary: 'table' }, 'GroupQueryAttention', ['none']],
    ['with neighbours turned', { rotary: 'interleaved' }, 'GroupQueryAttention', ['none']],
    ['with positions of their own', { positions: true }, 'GroupQueryAttention', ['none']],
    ['with positions in tables', { positions: true, rotary: 'table' }, 'GroupQueryAttention', ['none']],
    ['with a key per query', { groups: 4 }, 'MultiHeadAttention', ['none']],
    ['with a key per query and padding', { groups: 4, padding: true }, 'MultiHeadAttention', all],
    ['with one key for all queries', { groups: 1, mask: 'table' }, 'GroupQueryAttention', ['none']],
    ['of operator set 23', { opset: 23 }, 'Attention', ['none']],
    ['of operator set 23 with padding', { opset: 23, padding: true, mask: 'comparison' }, 'Attention', all],
    ['of operator set 24 with a key per query', { opset: 24, groups: 4, rotary: 'interleaved' }, 'Attention', ['none']],
  ])('computes the same: %s', async (_, options, op, paddings) => {
    const model = decoderModel({ ...SMALL, ...options });
    const { model: after, ops } = await fused(model);
    expect(ops.filter((name) => name === op)).toHaveLength(2);
    expect(ops.filter((name) => name === 'RotaryEmbedding')).toHaveLength(4);
    expect(ops).not.toContain('Softmax');
    expect(await largestError(model, after, paddings)).toBeLessThan(1e-5);
  });

  it('leaves attention alone that the engine has no kernel for: shared keys of a width that is no multiple of 8', async () => {
    const model = decoderModel({ ...SMALL, hidden: 48 });
    const { model: after, ops } = await fused(model);
    expect(ops).toContain('Softmax');
    expect(await largestError(model, after, ['none'])).toBeLessThan(1e-5);
  });
});

describe('fuse, on encoders', () => {
  it.each<[string, EncoderOptions]>([
    ['as exported', {}],
    ['of operator set 23', { opset: 23 }],
  ])('computes the same: %s', async (_, options) => {
    const model = encoderModel({ layers: 2, hidden: 16, heads: 2, vocabulary: 50, maxPositions: 16, ...options });
    const { model: after, ops } = await fused(model);
    expect(ops.filter((name) => name === 'Attention')).toHaveLength(2);
    expect(await largestError(model, after, ['none', 'right', 'a row'])).toBeLessThan(1e-5);
  });
});
