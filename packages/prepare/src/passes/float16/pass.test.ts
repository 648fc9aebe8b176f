import type { PassSpec, Tensor, Tensors } from '@slipway/core';
import {
  buildGraph,
  buildModel,
  getInt,
  graphAttribute,
  intAttribute,
  type Model,
  type Node,
  subgraphsOf,
} from '@slipway/onnx';
import { describe, expect, it } from 'vitest';
import type { PassResult } from '../../pass.ts';
import { PASSES } from '../index.ts';
import { runningContext } from '../testing/context.ts';
import { dump } from '../testing/dump.ts';
import { randomCnn } from '../testing/random-cnn.ts';
import { floats, relativeError, runModel, uniform } from '../testing/run.ts';

async function apply(model: Model, options: Partial<PassSpec> = {}): Promise<PassResult> {
  using context = runningContext();
  const spec = { pass: 'precision.float16', ...options } as PassSpec;
  return await PASSES[spec.pass].apply(model, spec as never, context);
}

async function run(model: Model, inputs: Tensors): Promise<Tensors> {
  using context = runningContext();
  return await runModel(model, inputs, context);
}

const all = (model: Model): readonly Node[] => {
  const visit = (nodes: readonly Node[]): Node[] =>
    nodes.flatMap((node) => [node, ...subgraphsOf(node).flatMap((graph) => visit(graph.nodes))]);
  return visit(model.graph.nodes);
};
const casts = (model: Model): readonly Node[] => all(model).filter(({ op }) => op === 'Cast');

/** A Cast that reads what a Cast made. */
function backToBack(model: Model): readonly string[] {
  const made = new Set(casts(model).flatMap(({ outputs }) => outputs));
  return casts(model).flatMap(({ inputs, name }) => (made.has(inputs[0] ?? '') ? [name] : []));
}

/** A product, a TopK that stays float32, a mask from integers, and the tied weight W. */
const mixed = buildModel((b) => {
  b.input('x', 'float32', ['n', 4]);
  b.input('mask', 'int64', ['n', 4]);
  b.floats('W', [4, 4], uniform(16, 1));
  b.floats('epsilon', [], [1e-12]);
  b.floats('low', [], [-3.4e38]);
  b.integers('k', [1], [4]);
  b.op('MatMul', ['x', 'W'], { outputs: ['h'] });
  b.op('Cast', ['mask'], { attributes: [intAttribute('to', 1)], outputs: ['m'] });
  b.op('Mul', ['m', 'low'], { outputs: ['bias'] });
  b.op('Add', ['h', 'bias'], { outputs: ['masked'] });
  b.op('TopK', ['masked', 'k'], { outputs: ['top', 'indices'] });
  b.op('Max', ['top', 'epsilon'], { outputs: ['positive'] });
  b.op('Div', ['positive', 'W'], { outputs: ['y'] });
  b.output('y', 'float32', ['n', 4]);
});

describe('precision.float16', () => {
  it('writes what the golden file holds', async () => {
    const { model, notes } = await apply(mixed);
    await expect(`${dump(mixed)}\n---\n\n${dump(model)}\n${notes.join('\n')}\n`).toMatchFileSnapshot(
      'golden/mixed.txt',
    );
    expect(backToBack(model)).toEqual([]);
  });

  it('gives nearly the same answers on random graphs, without a Cast behind a Cast', async () => {
    for (let seed = 0; seed < 25; seed++) {
      const source = randomCnn(seed);
      const inputs = { x: floats([1, 4, 8, 8], seed) };
      const { model } = await apply(source);
      expect(backToBack(model)).toEqual([]);
      const [actual, expected] = [await run(model, inputs), await run(source, inputs)];
      for (const [name, value] of Object.entries(expected)) {
        expect(relativeError(actual[name], value), `seed ${seed}, ${name}`).toBeLessThan(0.02);
      }
    }
  });

  it('takes and gives float16 when asked to', async () => {
    const { model } = await apply(randomCnn(1), { keepIo: false });
    expect([...model.graph.inputs, ...model.graph.outputs].map(({ type }) => type)).toEqual(
      expect.arrayContaining([expect.objectContaining({ dtype: 'float16' })]),
    );
    expect(JSON.stringify([...model.graph.inputs, ...model.graph.outputs].map((v) => v.type))).not.toContain('float32');
  });

  it('works in bodies, which keep float32 at their border, and on what they capture', async () => {
    const body = buildGraph((b) => {
      b.input('i', 'int64', []);
      b.input('go', 'bool', []);
      b.input('state', 'float32', [1, 2]);
      b.op('MatMul', ['state', 'W'], { outputs: ['p'] });
      b.op('Add', ['p', 'h'], { outputs: ['next'] });
      b.op('Identity', ['go'], { outputs: ['on'] });
      b.output('on', 'bool', []);
      b.output('next', 'float32', [1, 2]);
    });
    const model = buildModel((b) => {
      b.input('x', 'float32', [1, 2]);
      b.floats('W', [2, 2], [0.5, -0.25, 0.125, 0.5]);
      b.constant('trips', { dtype: 'int64', shape: [], data: BigInt64Array.of(3n) });
      b.op('MatMul', ['x', 'W'], { outputs: ['h'] });
      b.op('Loop', ['trips', '', 'h'], { attributes: [graphAttribute('body', body)], outputs: ['y'] });
      b.output('y', 'float32', [1, 2]);
    });
    const result = await apply(model);
    expect(result.model.graph.initializers.get('W')?.dtype).toBe('float16');
    const inputs: Tensors = { x: { dtype: 'float32', shape: [1, 2], data: Float32Array.of(1, 2) } };
    const [actual, expected] = [await run(result.model, inputs), await run(model, inputs)];
    expect(relativeError(actual['y'], expected['y'])).toBeLessThan(1e-3);
  });

  it('keeps what counts in float32: positions above 2048 stay exact', async () => {
    const model = buildModel((b) => {
      b.input('n', 'int64', [1]);
      b.input('x', 'float32', [1]);
      b.floats('half', [], [0.5]);
      b.op('Cast', ['n'], { attributes: [intAttribute('to', 1)], outputs: ['f'] });
      b.op('Mul', ['f', 'half'], { outputs: ['g'] });
      b.op('Floor', ['g'], { outputs: ['h'] });
      b.op('Cast', ['h'], { attributes: [intAttribute('to', 7)], outputs: ['count'] });
      b.op('Mul', ['x', 'half'], { outputs: ['y'] });
      b.output('count', 'int64', [1]);
      b.output('y', 'float32', [1]);
    });
    const result = await apply(model);
    const inputs: Tensors = {
      n: { dtype: 'int64', shape: [1], data: BigInt64Array.of(8199n) },
      x: { dtype: 'float32', shape: [1], data: Float32Array.of(3) },
    };
    expect((await run(result.model, inputs))['count']?.data).toEqual(BigInt64Array.of(4099n));
    expect(result.notes.join('\n')).toContain(
      'Mul node "Mul_1", Floor node "Floor_2": it computes what becomes an integer',
    );
  });

  it('clamps what float16 cannot hold, and says so', async () => {
    const { model, notes } = await apply(
      buildModel((b) => {
        b.input('x', 'float32', [3]);
        b.floats('c', [3], [1e30, -1e-20, Infinity]);
        b.output(b.op('Mul', ['x', 'c'], { outputs: ['y'] }), 'float32', [3]);
      }),
    );
    expect(dump(model)).toContain('c float16[3] = 65504 -5.9605e-8 Infinity');
    expect(notes).toContain('1 value beyond ±65,504 became ±65,504, in c.');
    expect(notes).toContain('1 value nearer to zero than 2^-24 became ±2^-24, in c.');
  });

  it('leaves out a Cast that has become useless', async () => {
    const model = buildModel((b) => {
      b.input('h', 'float16', [2]);
      b.op('Cast', ['h'], { attributes: [intAttribute('to', 1)], outputs: ['f'] });
      b.op('Relu', ['f'], { outputs: ['r'] });
      b.op('Cast', ['r'], { attributes: [intAttribute('to', 10)], outputs: ['y'] });
      b.output('y', 'float16', [2]);
    });
    const result = await apply(model);
    expect(result.model.graph.nodes.map(({ op, inputs }) => [op, inputs[0]])).toEqual([['Relu', 'h']]);
  });

  it('leaves out what is excluded, and refuses when nothing is left', async () => {
    const { model, notes } = await apply(mixed, { exclude: [{ op: 'MatMul' }] });
    expect(notes).toContain('Stays float32: MatMul node "MatMul_0": excluded.');
    const product = model.graph.nodes.find(({ op }) => op === 'MatMul');
    expect(product?.inputs).toEqual(['x', 'W']);
    await expect(apply(model, { exclude: ['*'] })).rejects.toThrow('no float32 operator with a float16 form left');
  });
});

describe('precision.bfloat16', () => {
  it('stores weights in half the bytes, rounded to even, and computes in float32', async () => {
    const source = randomCnn(3);
    const { model, notes } = await apply(source, { pass: 'precision.bfloat16' });
    const stored = [...model.graph.initializers.values()].filter(({ dtype }) => dtype === 'bfloat16');
    expect(stored.length).toBeGreaterThan(0);
    for (const node of casts(model)) expect(getInt(node, 'to')).toBe(1);
    expect(notes[0]).toMatch(/^\d+ weights? stored in bfloat16/);
    const inputs = { x: floats([1, 4, 8, 8], 3) };
    const [actual, expected] = [await run(model, inputs), await run(source, inputs)];
    for (const [name, value] of Object.entries(expected)) expect(relativeError(actual[name], value)).toBeLessThan(0.05);
  });

  it('rounds as the definition says', async () => {
    const values = [1, 1.00390625, 1.01171875, 3.4e38, -1e-40, Infinity, NaN, ...uniform(121, 5)];
    const model = buildModel((b) => {
      b.input('x', 'float32', [128]);
      b.floats('c', [128], values);
      b.output(b.op('Add', ['x', 'c'], { outputs: ['y'] }), 'float32', [128]);
    });
    const result = await apply(model, { pass: 'precision.bfloat16' });
    const x: Tensor = { dtype: 'float32', shape: [128], data: new Float32Array(128) };
    const outputs = await run(result.model, { x });
    // 1.00390625 and 1.01171875 lie half way between two values of 8 bits: the even one is taken.
    expect([...(outputs['y']?.data as Float32Array)].slice(0, 3)).toEqual([1, 1, 1.015625]);
    const rounded = outputs['y']?.data as Float32Array;
    expect([...rounded].slice(5, 7)).toEqual([Infinity, NaN]);
    const errors = values.map((value, i) => Math.abs((rounded[i] ?? NaN) - value) / Math.abs(value));
    for (const [i, error] of errors.entries()) {
      if (Number.isFinite(values[i]) && Math.abs(values[i] ?? 0) > 1e-30) expect(error).toBeLessThanOrEqual(2 ** -8);
    }
  });

  it('raises an operator set whose Cast does not know it', async () => {
    const model = buildModel(
      (b) => {
        b.input('x', 'float32', [128]);
        b.floats('c', [128], uniform(128, 1));
        b.output(b.op('Add', ['x', 'c'], { outputs: ['y'] }), 'float32', [128]);
      },
      { opset: 11 },
    );
    const { notes } = await apply(model, { pass: 'precision.bfloat16' });
    expect(notes).toContain('Operator set raised from 11 to 13.');
    await expect(apply(model, { pass: 'precision.bfloat16', exclude: ['c'] })).rejects.toThrow(
      'no float32 weights left',
    );
  });
});
