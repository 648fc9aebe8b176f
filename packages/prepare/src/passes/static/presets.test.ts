/** What presets choose. Placements for engines that are not here are checked by structure: golden graphs, and the rules. */
import { buildModel, floatAttribute, intsAttribute, isOp, type Model, type Node } from '@slipway/onnx';
import { describe, expect, it } from 'vitest';
import { offlineContext, runningContext } from '../testing/context.ts';
import { dump } from '../testing/dump.ts';
import { attention, cnn } from '../testing/quantizable.ts';
import { datasetOf, floats, relativeError, runModel, uniform } from '../testing/run.ts';
import { staticPass } from './pass.ts';
import { presetForFlags, resolvePreset } from '../presets.ts';

type Options = Partial<Parameters<typeof staticPass.apply>[1]>;

async function quantize(model: Model, shape: readonly number[], options: Options) {
  const rows = { x: floats(shape, 3) };
  using context = runningContext(datasetOf(model, rows));
  const result = await staticPass.apply(model, { pass: 'quantize.static', ...options }, context);
  const [expected, actual] = [await runModel(model, rows, context), await runModel(result.model, rows, context)];
  const error = Math.max(...Object.keys(expected).map((name) => relativeError(actual[name], expected[name])));
  return { ...result, error };
}

describe('presets of processors', () => {
  it.each([
    [['avx', 'avx2', 'fma'], 'avx2'],
    [['avx2', 'avx512f', 'avx512bw'], 'avx512'],
    [['avx2', 'avx_vnni'], 'vnni'],
    [['avx512bw', 'avx512_vnni'], 'vnni'],
    [['avx512bw', 'avx512_vnni', 'amx_int8', 'amx_tile'], 'amx'],
    [['asimd', 'asimddp', 'i8mm'], 'arm64'],
    [[], 'avx2'],
  ] as const)('%j is %s', (flags, preset) => {
    expect(presetForFlags(flags)).toBe(preset);
    expect(resolvePreset({ pass: 'quantize.static', preset: 'host', perChannel: false }, flags)).toEqual({
      pass: 'quantize.static',
      preset,
      perChannel: false,
    });
    expect(resolvePreset({ pass: 'quantize.static', preset: 'qnn' }, flags).preset).toBe('qnn');
  });

  it('keep weights of CPUs without VNNI from saturating, unless told otherwise, and say what they came to', async () => {
    const largest = async (options: Options): Promise<number> => {
      const { model } = await quantize(cnn(), [8, 1, 4, 4], options);
      const stored = model.graph.initializers.get('W3_quantized')?.data;
      return stored?.kind === 'raw' ? Math.max(...new Int8Array(stored.bytes).map(Math.abs)) : NaN;
    };
    expect(await largest({ preset: 'avx2' })).toBe(64);
    expect(await largest({ preset: 'avx512' })).toBe(64);
    expect(await largest({ preset: 'vnni' })).toBe(127);
    expect(await largest({ preset: 'avx2', reduceRange: false })).toBe(127);
    const { notes } = await quantize(cnn(), [8, 1, 4, 4], { preset: 'avx2' });
    expect(notes).toContain('Preset avx2: activations uint8; weights int8 per channel, 7 bits of 8.');
  });

  it('refuses "host" where nobody resolved it', async () => {
    const apply = async () => staticPass.apply(cnn(), { pass: 'quantize.static', preset: 'host' }, offlineContext());
    await expect(apply()).rejects.toThrow('stands for one of the others');
  });
});

/** A residual block whose skip goes past two convolutions, attention, and products that are vectors or not. */
const residual = (): Model =>
  buildModel(
    (b) => {
      const x = b.input('x', 'float32', [2, 4, 6, 6]);
      const padded = [intsAttribute('pads', [1, 1, 1, 1])];
      const conv = (name: string, from: string, seed: number): string => {
        const inputs = [
          from,
          b.floats(name, [4, 4, 3, 3], uniform(144, seed)),
          b.floats(`${name}_bias`, [4], uniform(4, seed)),
        ];
        return b.op('Conv', inputs, { name, attributes: padded });
      };
      const stem = b.op('Relu', [conv('stem', x, 1)], { name: 'stem_relu' });
      const inner = b.op('Relu', [conv('first', stem, 2)], { name: 'inner_relu' });
      const sum = b.op('Add', [conv('second', inner, 3), stem], { name: 'residual' });
      const flat = b.op('Flatten', [b.op('GlobalAveragePool', [sum])]);
      const gemm = [flat, b.floats('G', [4, 3], uniform(12, 4)), b.floats('G_bias', [3], uniform(3, 5))];
      const hidden = b.op('Gemm', gemm, { name: 'classify', attributes: [floatAttribute('alpha', 0.5)] });
      b.output(
        b.op('MatMul', [hidden, b.floats('V', [3, 1], uniform(3, 6))], { name: 'score', outputs: ['y'] }),
        'float32',
        null,
      );
    },
    { opset: 13 },
  );

describe('preset tensorrt', () => {
  it('puts pairs on inputs of layers, on weights and on the skip, and nowhere else', async () => {
    const { model, notes, error } = await quantize(residual(), [2, 4, 6, 6], { preset: 'tensorrt' });
    await expect(dump(model)).toMatchFileSnapshot('golden/tensorrt.txt');
    const { nodes, initializers } = model.graph;
    const readers = (name: string): Node[] => nodes.filter(({ inputs }) => inputs.includes(name));
    const producer = (name: string): Node | undefined => nodes.find(({ outputs }) => outputs.includes(name));
    for (const node of nodes.filter((one) => isOp(one, 'QuantizeLinear'))) {
      expect(['Conv', 'Gemm', 'MatMul']).not.toContain(producer(node.inputs[0] ?? '')?.op);
      const zero = initializers.get(node.inputs[2] ?? '');
      expect([zero?.dtype, zero?.data.kind === 'raw' && zero.data.bytes.every((byte) => byte === 0)]).toEqual([
        'int8',
        true,
      ]);
    }
    // One pair for each reader; the stem's Relu has two readers, the convolution and the addition.
    for (const node of nodes.filter((one) => isOp(one, 'DequantizeLinear'))) {
      expect(readers(node.outputs[0] ?? '').length).toBe(1);
    }
    const add = nodes.find(({ name }) => name === 'residual');
    expect(add?.inputs.map((name) => producer(name)?.op)).toEqual(['Conv', 'DequantizeLinear']);
    expect([...initializers.values()].filter(({ name }) => name.endsWith('_bias')).map(({ dtype }) => dtype)).toEqual(
      Array.from({ length: 4 }, () => 'float32'),
    );
    expect(notes).toContain('Left in float: MatMul node "score": a product with a single row or column gains nothing.');
    expect(notes.join('\n')).toContain('this file is not smaller');
    expect(error).toBeLessThan(0.06);
  });

  it('leaves attention to the engine', async () => {
    const { notes } = await quantize(attention(), [2, 4, 8], { preset: 'tensorrt' });
    expect(notes).toContain(
      'Left in float: MatMul node "scores", MatMul node "mix": TensorRT fuses attention as a whole, in float.',
    );
  });

  it('takes symmetric int8 only', async () => {
    const apply = async (options: Options) =>
      staticPass.apply(cnn(), { pass: 'quantize.static', ...options }, offlineContext());
    await expect(apply({ preset: 'tensorrt', activations: 'uint8' })).rejects.toThrow(
      'TensorRT takes symmetric int8 only',
    );
    await expect(apply({ preset: 'tensorrt', format: 'qoperator' })).rejects.toThrow('use format "qdq"');
  });
});

describe('preset qnn', () => {
  it.each<[string, Model, number[], Options, number]>([
    ['cnn', cnn(), [8, 1, 4, 4], {}, 0.02],
    ['attention', attention(), [4, 4, 8], {}, 0.02],
    ['residual of uint8', residual(), [2, 4, 6, 6], { activations: 'uint8' }, 0.06],
  ])('leaves no float between two operators: %s', async (name, source, shape, options, bound) => {
    const { model, error } = await quantize(source, shape, { preset: 'qnn', ...options });
    if (name === 'cnn') await expect(dump(model)).toMatchFileSnapshot('golden/qnn.txt');
    const { nodes, outputs } = model.graph;
    const isConversion = ({ op }: Node): boolean => op === 'QuantizeLinear' || op === 'DequantizeLinear';
    const produced = new Map(nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)));
    for (const node of nodes.filter((one) => !isConversion(one))) {
      for (const input of node.inputs) {
        const from = produced.get(input);
        if (from !== undefined) expect(from.op).toBe('DequantizeLinear');
      }
    }
    for (const output of outputs) expect(produced.get(output.name)?.op).toBe('DequantizeLinear');
    expect(error).toBeLessThan(bound);
  });
});
