import { numbersToFloat16, type Tensor, type Tensors } from '@slipway/core';
import {
  buildGraph,
  type Builder,
  buildModel,
  floatAttribute,
  getInt,
  graphAttribute,
  type Initializer,
  initializerOf,
  intAttribute,
  type Model,
} from '@slipway/onnx';
import { describe, expect, it } from 'vitest';
import { offlineContext, runningContext } from '../testing/context.ts';
import { dump } from '../testing/dump.ts';
import { bytesOfModel, datasetOf, floats, floatWeight, relativeError, runModel } from '../testing/run.ts';
import { weightsPass } from './pass.ts';
import type { WeightsSpec } from './settings.ts';

const spec = (options: Omit<WeightsSpec, 'pass'> = {}): WeightsSpec => ({ pass: 'quantize.weights', ...options });

const apply = async (model: Model, options: Omit<WeightsSpec, 'pass'> = {}) =>
  weightsPass.apply(model, spec(options), offlineContext());

function layers(): Model {
  return buildModel((b) => {
    const ids = b.input('ids', 'int64', ['batch']);
    b.initializer(floatWeight('table', [50, 64], 1));
    b.initializer(floatWeight('W', [64, 64], 2));
    b.initializer(floatWeight('G', [40, 64], 3));
    b.initializer(floatWeight('bias', [1, 40], 4));
    const x = b.op('Gather', ['table', ids], { name: 'lookup' });
    const a = b.op('MatMul', [x, 'W'], { name: 'first' });
    const c = b.op('MatMul', [a, 'W'], { name: 'second' });
    b.op('Gemm', [c, 'G', 'bias'], {
      name: 'head',
      outputs: ['y'],
      attributes: [intAttribute('transB', 1), floatAttribute('alpha', 0.5), floatAttribute('beta', 2)],
    });
    b.output('y', 'float32', ['batch', 40]);
  });
}

const ids = { ids: { dtype: 'int64', shape: [5], data: BigInt64Array.of(0n, 7n, 49n, 3n, 7n) } } as const;

describe('quantize.weights', () => {
  it.each(['matmulnbits', 'dequantize'] as const)('emits the nodes of the format %s', async (format) => {
    const embeddings = format === 'dequantize' ? 8 : 4;
    const { model, notes } = await apply(layers(), { format, embeddings, blockSize: 32 });
    await expect(`${dump(layers())}\n---\n\n${dump(model)}`).toMatchFileSnapshot(`golden/${format}.txt`);
    expect(notes.join('\n')).toMatch(/2 matrices stored in 4 bits \(rtn, blocks of 32, with zero points\)/);
  });

  it.each([
    [{ bits: 8 }, 0.02],
    [{ bits: 8, symmetric: true, blockSize: 256 }, 0.02],
    [{ bits: 4 }, 0.25],
    [{ bits: 4, algorithm: 'k-quant', accuracyLevel: 0 }, 0.25],
    [{ bits: 4, algorithm: 'hqq' }, 0.25],
    [{ bits: 4, symmetric: true, blockSize: 16 }, 0.25],
    [{ bits: 2, blockSize: 16 }, 1],
    [{ bits: 4, format: 'dequantize', embeddings: 8 }, 0.25],
    [{ bits: 4, format: 'dequantize', embeddings: false, blockSize: 'column', symmetric: true }, 0.3],
    [{ bits: 2, format: 'dequantize', embeddings: 8, blockSize: 16 }, 1],
    [{ bits: 8, format: 'dequantize', symmetric: true }, 0.02],
    [{ bits: 8, format: 'dequantize', blockSize: 'column' }, 0.02],
  ] as const)('runs, close to the float model: %o', async (options, bound) => {
    const { model } = await apply(layers(), options);
    using context = runningContext();
    const expected = await runModel(layers(), ids, context);
    const actual = await runModel(model, ids, context);
    expect(relativeError(actual['y'], expected['y'])).toBeLessThan(bound);
    expect(relativeError(actual['y'], expected['y'])).toBeGreaterThan(0);
  });
});

const floatsOf = (count: number, change: (value: number, i: number) => number = (value) => value): Float32Array =>
  (floats([count], 8).data as Float32Array).map(change);

/** One product, x [batch, rows] with whatever weight. */
function product(weight: Initializer, rows: number, ...after: ((b: Builder) => void)[]): Model {
  return buildModel((b) => {
    const x = b.input('x', 'float32', ['batch', rows]);
    b.initializer(weight);
    b.op('MatMul', [x, weight.name], { name: 'product', outputs: ['y'] });
    b.output('y', 'float32', null);
    for (const each of after) each(b);
  });
}

describe('what is left alone, and why', () => {
  it.each([
    ['a vector', floatWeight('W', [64], 1), 'the weight is a vector'],
    [
      'a stack of matrices',
      floatWeight('W', [2, 64, 64], 1),
      'the weight is a stack of 2 matrices, and codes are of one',
    ],
    [
      'a matrix of rank 3',
      floatWeight('W', [1, 64, 64], 1),
      'the weight has rank 3, and it is not known that the other factor has as much',
    ],
    ['a tiny matrix', floatWeight('W', [4, 4], 1), 'it would not become smaller (64 → '],
    [
      'a double',
      initializerOf('W', { dtype: 'float64', shape: [64, 64], data: new Float64Array(4096) }),
      'the weight is float64; scales can be float32 or float16',
    ],
    ['no weights at all', floatWeight('W', [64, 0], 1), 'the weight is empty'],
  ])('%s', async (_, weight, reason) => {
    await expect(apply(product(weight, 64))).rejects.toThrow(
      `no weight can be stored in few bits; of MatMul node "product": ${reason}`,
    );
    expect(weightsPass.assess(product(weight, 64)).applicable).toBe(false);
  });

  it('weights that are not finite, by name', async () => {
    const data = floatsOf(4096, (value, i) => (i === 77 ? Infinity : value));
    const weight = initializerOf('W', { dtype: 'float32', shape: [64, 64], data });
    await expect(apply(product(weight, 64))).rejects.toThrow('the constant "W" has values that are not finite');
  });

  it('a weight that something else reads as floats: the file would grow', async () => {
    const model = product(floatWeight('W', [64, 64], 1), 64, (b) => {
      b.output(b.op('Add', ['y', 'W'], { name: 'other', outputs: ['z'] }), 'float32', null);
    });
    await expect(apply(model)).rejects.toThrow(
      'its weight "W" is also read by Add node "other", so the float weight would stay',
    );
    const asOutput = product(floatWeight('W', [64, 64], 1), 64, (b) => void b.output('W', 'float32', [64, 64]));
    await expect(apply(asOutput)).rejects.toThrow('is also read as an output of the graph');
    // Left alone because its other reader is excluded.
    const shared = apply(layers(), { exclude: ['second', 'lookup'] });
    expect((await shared).notes.join('\n')).toContain('its weight "W" is also read by MatMul node "second"');
  });

  it('what was quantized before', async () => {
    const { model } = await apply(layers());
    await expect(apply(model)).rejects.toThrow('there is no MatMul, Gemm or embedding in the model');
    const { model: standard } = await apply(layers(), { format: 'dequantize', embeddings: false });
    await expect(apply(standard, { embeddings: false })).rejects.toThrow('no weight can be stored in few bits');
    expect((await apply(standard)).notes.join('\n')).toContain('both factors are computed at run time');
  });

  it('what contradicts itself or names nothing', async () => {
    await expect(apply(layers(), { algorithm: 'hqq', symmetric: true })).rejects.toThrow('hqq optimizes zero points');
    await expect(apply(layers(), { layers: [{ match: 'heat', bits: 8 }] })).rejects.toThrow(
      'the layers match pattern "heat" matches no node and no initializer, did you mean "head"?',
    );
    await expect(apply(layers(), { exclude: ['*'] })).rejects.toThrow(
      'everything it could store in few bits is excluded',
    );
    const unknown = product(floatWeight('W', [64, 64], 1), 64, (b) => void b.op('Unheard', ['y']));
    await expect(apply(unknown, { format: 'dequantize' })).rejects.toThrow(
      'the format "dequantize" needs operator set 21, and the model is in 17: ',
    );
    const { notes } = await apply(layers(), { format: 'dequantize' });
    expect(notes.join('\n')).toContain('no standard operator looks up entries of 4 bits');
  });
});

describe('forms of weights', () => {
  async function expectClose(model: Model, result: Model, inputs: Tensors, bound: number): Promise<void> {
    using context = runningContext();
    const expected = await runModel(model, inputs, context);
    const actual = await runModel(result, inputs, context);
    for (const name of Object.keys(expected)) {
      expect(actual[name]?.shape).toEqual(expected[name]?.shape);
      expect(relativeError(actual[name], expected[name])).toBeLessThan(bound);
    }
  }

  it('columns that blocks do not divide, and rank 3 where the other factor has it', async () => {
    const model = buildModel((b) => {
      const x = b.input('x', 'float32', ['batch', 3, 100]);
      b.initializer(floatWeight('W', [1, 100, 37], 1));
      b.initializer(floatWeight('V', [37, 20], 2));
      b.output(b.op('MatMul', [b.op('MatMul', [x, 'W']), 'V'], { outputs: ['y'] }), 'float32', ['batch', 3, 20]);
    });
    for (const options of [
      { bits: 8 },
      { bits: 8, symmetric: true, blockSize: 256 },
      { bits: 8, format: 'dequantize' },
    ] as const) {
      const { model: result } = await apply(model, options);
      await expectClose(model, result, { x: floats([2, 3, 100], 3) }, 0.02);
    }
  });

  it('float16 weights, whose scales are float16', async () => {
    const half = (name: string, shape: readonly number[], seed: number): Initializer =>
      initializerOf(name, {
        dtype: 'float16',
        shape,
        data: numbersToFloat16(floats(shape, seed).data as Float32Array),
      });
    const model = buildModel((b) => {
      const x = b.input('x', 'float16', ['batch', 64]);
      b.initializer(half('W', [64, 48], 1));
      b.initializer(half('G', [48, 32], 2));
      b.initializer(half('c', [32], 3));
      b.output(b.op('Gemm', [b.op('MatMul', [x, 'W']), 'G', 'c'], { outputs: ['h'] }), 'float16', ['batch', 32]);
      b.output(b.op('Cast', ['h'], { outputs: ['y'], attributes: [intAttribute('to', 1)] }), 'float32', ['batch', 32]);
    });
    const x = {
      dtype: 'float16',
      shape: [2, 64],
      data: numbersToFloat16(floats([2, 64], 4).data as Float32Array),
    } as const;
    for (const options of [{ bits: 8 }, { bits: 8, format: 'dequantize', symmetric: true }] as const) {
      const { model: result } = await apply(model, options);
      expect(result.graph.initializers.get('W_scales')?.dtype).toBe('float16');
      using context = runningContext();
      const [expected, actual] = [await runModel(model, { x }, context), await runModel(result, { x }, context)];
      expect(relativeError(actual['y'], expected['y'])).toBeLessThan(0.02);
    }
  });

  it('biases of every shape, of Gemm', async () => {
    for (const shape of [[], [1], [20], [1, 20], [3, 1], [3, 20]]) {
      const model = buildModel((b) => {
        const x = b.input('x', 'float32', [3, 64]);
        b.initializer(floatWeight('W', [64, 20], 1));
        b.initializer(floatWeight('c', shape, 2));
        const attributes = [floatAttribute('beta', 3)];
        b.output(b.op('Gemm', [x, 'W', 'c'], { name: 'gemm', outputs: ['y'], attributes }), 'float32', [3, 20]);
      });
      for (const format of ['matmulnbits', 'dequantize'] as const) {
        const { model: result } = await apply(model, { bits: 8, format });
        expect(result.graph.initializers.has('c')).toBe(false);
        await expectClose(model, result, { x: floats([3, 64], 3) }, 0.02);
      }
    }
  });

  it('weights in bodies of control flow, their own and those of the graph around them', async () => {
    const branch = (own: string, output: string) =>
      buildGraph((b) => {
        b.initializer(floatWeight(own, [64, 64], 5));
        const inner = b.op('MatMul', ['x', own], { name: `${output}_inner`, outputs: [`${output}_h`] });
        const whole = b.op('MatMul', [inner, 'W'], { name: `${output}_outer`, outputs: [output] });
        b.output(whole, 'float32', null);
      });
    const model = buildModel((b) => {
      b.input('x', 'float32', ['batch', 64]);
      b.input('which', 'bool', []);
      b.initializer(floatWeight('W', [64, 64], 1));
      const attributes = [
        graphAttribute('then_branch', branch('A', 'a')),
        graphAttribute('else_branch', branch('A', 'e')),
      ];
      b.output(b.op('If', ['which'], { name: 'choice', outputs: ['y'], attributes }), 'float32', ['batch', 64]);
    });
    for (const format of ['matmulnbits', 'dequantize'] as const) {
      const { model: result, notes } = await apply(model, { bits: 8, format });
      // One reads W where the branches are; standard operators have it in each branch.
      expect(notes[0]).toContain(format === 'dequantize' ? '4 matrices' : '3 matrices');
      expect(result.graph.initializers.has('W')).toBe(false);
      expect(result.graph.initializers.has('W_q8')).toBe(format === 'matmulnbits');
      for (const which of [0, 1]) {
        const inputs = {
          x: floats([2, 64], 7),
          which: { dtype: 'bool', shape: [], data: Uint8Array.of(which) },
        } as const;
        await expectClose(model, result, inputs, 0.02);
      }
    }
  });

  it('other options for some layers', async () => {
    const { model, notes } = await apply(layers(), {
      embeddings: 8,
      layers: [{ match: 'hea*', bits: 8, blockSize: 32 }],
    });
    expect(notes.slice(0, 3)).toEqual([
      '1 matrix stored in 8 bits (embeddings, rtn, blocks of 64, with zero points).',
      '1 matrix stored in 4 bits (rtn, blocks of 64, with zero points).',
      '1 matrix stored in 8 bits (rtn, blocks of 32, with zero points).',
    ]);
    expect(model.graph.initializers.get('G_q8')?.dims).toEqual([40, 2, 32]);
  });

  it('gives the same bytes every time', async () => {
    const [a, b] = [await apply(layers()), await apply(layers())];
    expect(bytesOfModel(a.model)).toBe(bytesOfModel(b.model));
  });
});

describe('algorithms that look at activations', () => {
  const model = (): Model =>
    buildModel((b) => {
      const x = b.input('x', 'float32', ['batch', 48]);
      b.initializer(floatWeight('Q', [48, 64], 1));
      b.initializer(floatWeight('K', [48, 64], 2));
      b.initializer(floatWeight('O', [64, 32], 3));
      const both = b.op('Sub', [b.op('MatMul', [x, 'Q'], { name: 'q' }), b.op('MatMul', [x, 'K'], { name: 'k' })]);
      b.output(b.op('MatMul', [both, 'O'], { name: 'o', outputs: ['y'] }), 'float32', ['batch', 32]);
    });
  /** A few large inputs, each a little of the one before. */
  const rows = (count: number, seed: number): Tensors => {
    const { data } = floats([count, 48], seed);
    const values = (data as Float32Array).map((value, i, all) =>
      i % 7 === 0 ? 10 * value : value + 0.8 * (all[i - 1] ?? 0),
    );
    return { x: { dtype: 'float32', shape: [count, 48], data: values } };
  };

  async function errorOf(
    options: Omit<WeightsSpec, 'pass'>,
  ): Promise<{ error: number; notes: readonly string[]; model: Model }> {
    const source = model();
    using context = runningContext(datasetOf(source, rows(300, 5)));
    const result = await weightsPass.apply(source, spec({ accuracyLevel: 0, blockSize: 16, ...options }), context);
    const inputs = rows(60, 6);
    const [expected, actual] = [await runModel(source, inputs, context), await runModel(result.model, inputs, context)];
    const [want, got] = [expected['y']?.data as Float32Array, actual['y']?.data as Float32Array];
    const error = want.reduce((sum, value, i) => sum + (value - (got[i] ?? NaN)) ** 2, 0);
    return { error, notes: result.notes, model: result.model };
  }

  it.each([
    ['gptq', 0.7],
    ['awq', 0.9],
  ] as const)('%s: closer on rows it has not seen than without', async (algorithm, share) => {
    const plain = await errorOf({ algorithm: 'rtn' });
    const own = await errorOf({ algorithm });
    expect(own.error).toBeLessThan(share * plain.error);
    expect(own.notes.join('\n')).toMatch(
      /Relative error of what products compute on calibration rows: median \d+\.\d %/,
    );
    const standard = await errorOf({ algorithm, format: 'dequantize', accuracyLevel: undefined });
    expect(standard.error).toBeLessThan(plain.error);
  });

  it('awq divides what several products read once', async () => {
    const { model: result } = await errorOf({ algorithm: 'awq' });
    const scaled = result.graph.nodes.filter(({ op, outputs }) => op === 'Mul' && outputs[0] === 'x_scaled');
    expect(scaled).toHaveLength(1);
    const readers = result.graph.nodes.filter(({ inputs }) => inputs.includes('x_scaled'));
    expect(readers.map(({ name }) => name)).toEqual(['q', 'k']);
  });

  it('searches the accuracy level on calibration rows, and says what it found', async () => {
    const { notes, model: result } = await errorOf({ accuracyLevel: 'search', bits: 8 });
    // Inputs in 8 bits cost far more than weights in 8 bits.
    expect(notes.join('\n')).toMatch(
      /Accuracy level 0: .* dB from those of the float model with level 4 and .* dB with level 0/,
    );
    const levels = result.graph.nodes
      .filter(({ op }) => op === 'MatMulNBits')
      .map((node) => getInt(node, 'accuracy_level', 0));
    expect(new Set(levels)).toEqual(new Set([0]));
    expect((await errorOf({ accuracyLevel: 'search', bits: 2 })).notes.join('\n')).toContain('Accuracy level 4: ');
  });

  it('observes what happens in branches, and shares weights only where one input speaks for all', async () => {
    const branch = (name: string) =>
      buildGraph((b) => {
        b.output(b.op('MatMul', ['x', 'Q'], { name, outputs: [name] }), 'float32', null);
      });
    const source = buildModel((b) => {
      const x = b.input('x', 'float32', ['batch', 48]);
      b.initializer(floatWeight('Q', [48, 64], 1));
      b.initializer(floatWeight('T', [64, 64], 2));
      const attributes = [graphAttribute('then_branch', branch('a')), graphAttribute('else_branch', branch('e'))];
      const small = b.op('Less', [
        b.op('ReduceMax', [x], { attributes: [intAttribute('keepdims', 0)] }),
        b.floats('limit', [], [1000]),
      ]);
      const h = b.op('If', [small], { name: 'choice', attributes });
      const once = b.op('MatMul', [h, 'T'], { name: 'once' });
      b.output(b.op('MatMul', [once, 'T'], { name: 'twice', outputs: ['y'] }), 'float32', ['batch', 64]);
    });
    const small = rows(20, 5);
    const large = {
      x: { ...floats([20, 48], 7), data: (floats([20, 48], 7).data as Float32Array).map((v) => v * 2000) } as Tensor,
    };
    using context = runningContext(datasetOf(source, small));
    for (const algorithm of ['gptq', 'awq'] as const) {
      const { model: result, notes } = await weightsPass.apply(source, spec({ algorithm, bits: 8 }), context);
      expect(notes.join('\n')).toContain(
        'By k-quant, because their weight is shared by products with different inputs: MatMul node "once", MatMul node "twice".',
      );
      for (const given of [small, large]) {
        const [expected, actual] = [await runModel(source, given, context), await runModel(result, given, context)];
        expect(relativeError(actual['y'], expected['y'])).toBeLessThan(0.02);
      }
    }
  });

  it('says what to give when there are no rows, before any work', async () => {
    for (const options of [{ algorithm: 'gptq' }, { algorithm: 'awq' }, { accuracyLevel: 'search' }] as const) {
      await expect(apply(model(), options)).rejects.toThrow(
        'it needs calibration data: give `data.calibration` in the config',
      );
    }
  });
});
