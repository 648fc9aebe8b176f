import type { PassSpec, Tensors } from '@slipway/core';
import path from 'node:path';
import {
  buildModel,
  type Builder,
  type Model,
  opName,
  readModelFile,
  signatureOf,
  writeModelFile,
} from '@slipway/onnx';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { PASSES } from '../../passes/index.ts';
import { runningContext } from '../../passes/testing/context.ts';
import { datasetOf, floats, uniform } from '../../passes/testing/run.ts';
import { withWeight } from '../testing/corrupt.ts';
import { type Diverged, findDivergence } from './diverge.ts';

const context = runningContext();
afterAll(() => context[Symbol.dispose]());

interface Search {
  readonly diverged: Diverged;
  /** How often a model was run. */
  readonly runs: number;
}

/** @param engine what is done to a file before it is run */
async function search(
  source: Model,
  candidate: Model,
  calls: readonly Tensors[],
  engine: (file: string) => Promise<void> = () => Promise.resolve(),
): Promise<Search> {
  let runs = 0;
  const diverged = await findDivergence(source, candidate, {
    calls,
    workDirectory: context.workDirectory,
    async *run(file, inputs) {
      runs++;
      await engine(file);
      yield* context.runModel(file, inputs, { optimization: 'all' });
    },
  });
  return { diverged, runs };
}

const WIDTH = 8;
const x = { x: floats([6, WIDTH], 3) };

/** Matrix products that keep the size of what goes through them, each followed by a Tanh. */
const chain = (layers: number): Model =>
  buildModel((b) => {
    let value = b.input('x', 'float32', ['rows', WIDTH]);
    for (let i = 0; i < layers; i++) {
      const weight = b.floats(
        `w${i}`,
        [WIDTH, WIDTH],
        uniform(WIDTH * WIDTH, i + 1).map((w) => w * 0.9),
      );
      value = b.op('MatMul', [value, weight], { name: `dense${i}`, outputs: [`d${i}`] });
      const last = i === layers - 1;
      value = b.op('Tanh', [value], { name: `tanh${i}`, outputs: [last ? 'y' : `t${i}`] });
    }
    b.output(value, 'float32', ['rows', WIDTH]);
  });

describe('the first diverging node', () => {
  it('is the one that was corrupted, found in a logarithmic number of runs', async () => {
    const cases = fc.integer({ min: 1, max: 40 }).chain((layers) =>
      fc.record({
        layers: fc.constant(layers),
        layer: fc.nat(layers - 1),
        how: fc.constantFrom<[string, (w: number, i: number) => number]>(
          ['turned round', (w) => 0 - w],
          ['one NaN', (w, i) => (i === 5 ? NaN : w)],
          ['all infinite', () => Infinity],
        ),
      }),
    );
    await fc.assert(
      fc.asyncProperty(cases, async ({ layers, layer, how }) => {
        const source = chain(layers);
        const broken = withWeight(source, `w${layer}`, how[1]);
        const { diverged, runs } = await search(source, broken, [x]);
        expect(diverged.found).toMatchObject({
          nodes: [{ name: `dense${layer}`, operator: 'MatMul' }],
          tensor: `d${layer}`,
          before: layer === 0 ? null : { sqnrDb: null, notFinite: null },
          tensors: 2 * layers,
        });
        // Both models, for the outputs, for every division by four, and for the two neighbours.
        expect(runs).toBeLessThanOrEqual(2 * (1 + Math.ceil(Math.log2(2 * layers) / 2) + 2));
      }),
      { numRuns: 25 },
    );
  });

  const branches = (b: Builder): void => {
    const input = b.input('x', 'float32', ['rows', WIDTH]);
    const layer = (value: string, name: string, seed: number): string =>
      b.op('MatMul', [value, b.floats(`${name}.w`, [WIDTH, WIDTH], uniform(WIDTH * WIDTH, seed))], {
        name,
        outputs: [`${name}.out`],
      });
    const left = layer(b.op('Tanh', [layer(input, 'left1', 1)], { outputs: ['left.t'] }), 'left2', 2);
    const right = layer(b.op('Tanh', [layer(input, 'right1', 3)], { outputs: ['right.t'] }), 'right2', 4);
    const sum = b.op('Add', [left, right], { name: 'sum', outputs: ['sum.out'] });
    b.output(b.op('Tanh', [sum], { name: 'last', outputs: ['y'] }), 'float32', ['rows', WIDTH]);
  };

  it.each(['left1', 'left2', 'right1', 'right2'])('is found in its branch: %s', async (name) => {
    const source = buildModel(branches);
    const { diverged } = await search(
      source,
      withWeight(source, `${name}.w`, (w) => -3 * w),
      [x],
    );
    expect(diverged.found).toMatchObject({ nodes: [{ name }], after: { notFinite: null } });
  });

  it('is not what is scaled on purpose and scaled back', async () => {
    const make = (scale: number, twist: number): Model =>
      buildModel((b) => {
        const input = b.input('x', 'float32', ['rows', WIDTH]);
        const factor = (name: string, value: number): string => b.floats(name, [], [value]);
        let value = b.op('Mul', [input, factor('up', scale)], { name: 'up', outputs: ['u'] });
        value = b.op('Mul', [value, factor('down', 1 / scale)], { name: 'down', outputs: ['v'] });
        for (let i = 0; i < 9; i++) value = b.op('Tanh', [value], { name: `tanh${i}`, outputs: [`t${i}`] });
        value = b.op('Mul', [value, factor('twist', twist)], { name: 'twisted', outputs: ['w'] });
        b.output(b.op('Neg', [value], { name: 'neg', outputs: ['y'] }), 'float32', ['rows', WIDTH]);
      });
    const { diverged } = await search(make(1, 1), make(64, 2), [x]);
    expect(diverged.found).toMatchObject({ nodes: [{ name: 'twisted' }], before: { notFinite: null } });
  });

  it('has the values of both kinds: a source that is not finite somewhere blames nobody for it', async () => {
    const make = (offset: number): Model =>
      buildModel((b) => {
        const input = b.input('x', 'float32', ['rows', WIDTH]);
        const masked = b.op('Log', [b.op('Relu', [input], { outputs: ['r'] })], { name: 'mask', outputs: ['m'] });
        const added = b.op('Add', [masked, b.floats('offset', [], [offset])], { name: 'add', outputs: ['a'] });
        const root = b.op('Sqrt', [added], { name: 'root', outputs: ['s'] });
        b.output(b.op('Tanh', [root], { name: 'last', outputs: ['y'] }), 'float32', ['rows', WIDTH]);
      });
    const { diverged } = await search(make(8), make(-8), [x]);
    expect(diverged.found).toMatchObject({ nodes: [{ name: 'root' }], after: { notFinite: 'NaN' } });
    expect(diverged.found!.before!.notFinite).toBeNull();
  });

  it('is nobody when the outputs are right as soon as more is looked at', async () => {
    const source = chain(8);
    // An engine that computes something else where it fuses, and fuses where nothing between is an output.
    const { diverged } = await search(source, source, [x], async (file) => {
      const model = await readModelFile(file);
      if (path.basename(path.dirname(file)) === 'source' || model.graph.outputs.length > 1) return;
      await writeModelFile(
        file,
        withWeight(model, 'w4', (w) => 0 - w),
      );
    });
    expect(diverged.found).toBeNull();
    expect(diverged.reason).toContain('it comes from how the engine fuses the nodes around');
  });

  it('says why there is none', async () => {
    const source = chain(2);
    expect((await search(source, source, [x])).diverged).toEqual({
      found: null,
      reason: 'the outputs are equal',
    });
  });
});

describe('the first diverging node of a quantized model', () => {
  /** Three products; the first writes one channel far larger than the rest, of which the second reads nothing. */
  const outlier = buildModel((b) => {
    const first = uniform(WIDTH * WIDTH, 1).map((w, i) => (i % WIDTH === 0 ? w * 5000 : w));
    const second = uniform(WIDTH * WIDTH, 2).map((w, i) => (i < WIDTH ? 0 : w));
    let value = b.input('x', 'float32', ['rows', WIDTH]);
    for (const [name, weights] of [
      ['first', first],
      ['second', second],
      ['third', uniform(WIDTH * WIDTH, 3)],
      ['fourth', uniform(WIDTH * WIDTH, 4)],
    ] as const) {
      value = b.op('MatMul', [value, b.floats(`${name}.w`, [WIDTH, WIDTH], weights)], {
        name,
        outputs: [`${name}.out`],
      });
    }
    b.output(value, 'float32', ['rows', WIDTH]);
  });
  const rows = { x: floats([64, WIDTH], 9) };
  const quantized = async (spec: PassSpec): Promise<Model> => {
    using own = runningContext(datasetOf(outlier, rows));
    return (await PASSES[spec.pass].apply(outlier, spec as never, own)).model;
  };

  it.each([
    ['QDQ', { pass: 'quantize.static' }],
    ['QOperator', { pass: 'quantize.static', format: 'qoperator' }],
    ['dynamic', { pass: 'quantize.dynamic' }],
  ] as [string, PassSpec][])('is the layer that reads the outlier channel: %s', async (_, spec) => {
    const { diverged } = await search(outlier, await quantized(spec), [rows]);
    expect(diverged.found).toMatchObject({ nodes: [{ name: 'second', operator: 'MatMul' }] });
    expect(diverged.found!.before!.sqnrDb).toBeGreaterThan(25);
    expect(diverged.found!.after.sqnrDb).toBeLessThan(10);
  });

  it('is the one whose output has a wrong scale, although its float output is right', async () => {
    const source = chain(6);
    using own = runningContext(datasetOf(source, rows));
    const { model } = await PASSES['quantize.static'].apply(source, { pass: 'quantize.static' }, own);
    const wrong = withWeight(model, 't2_scale', (scale) => scale / 50);
    expect(signatureOf(wrong)).toEqual(signatureOf(model));
    expect(model.graph.nodes.map(opName)).toContain('QuantizeLinear');
    const { diverged } = await search(source, wrong, [rows]);
    expect(diverged.found).toMatchObject({ tensor: 't2', nodes: [{ name: 'tanh2' }] });
    expect(diverged.found!.before!.sqnrDb).toBeGreaterThan(20);
  });
});
