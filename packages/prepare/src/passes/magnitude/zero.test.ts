import { intAttribute, buildModel, type Model } from '@slipway/onnx';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { offlineContext } from '../testing/context.ts';
import { readFloats } from '../weights.ts';
import { judge } from './bound.ts';
import { magnitudePass } from './pass.ts';
import { zeroElements } from './zero.ts';

const small = fc.integer({ min: -4, max: 4 });
const zeros = (list: Iterable<number>): number => [...list].filter((value) => value === 0).length;

/** A weight in the place of one operator, and what its matrices are, found from the definition of the operator. */
interface Placed {
  readonly model: Model;
  readonly values: Float32Array;
  /** Indices of the weight, [matrix][output][input], with nothing that straddles groups in one matrix. */
  readonly matrices: readonly (readonly (readonly number[])[])[];
}

const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/** Sizes and values for: MatMul, Gemm with and without transB, the left factor, grouped Conv and ConvTranspose, GRU. */
const placed = fc
  .record({
    kind: fc.constantFrom('MatMul', 'Gemm', 'transB', 'left', 'Conv', 'ConvTranspose', 'GRU'),
    outputs: fc.integer({ min: 1, max: 5 }),
    inputs: fc.integer({ min: 1, max: 9 }),
    groups: fc.integer({ min: 1, max: 3 }),
    kernel: fc.integer({ min: 1, max: 2 }),
  })
  .chain(({ kind, outputs: o, inputs: i, groups: g, kernel: k }) => {
    const at = (index: (output: number, input: number) => number): number[][] =>
      range(o).map((output) => range(i).map((input) => index(output, input)));
    const forms: Record<typeof kind, { dims: number[]; matrices: number[][][] }> = {
      MatMul: { dims: [2, i, o], matrices: range(2).map((b) => at((output, input) => b * i * o + input * o + output)) },
      Gemm: { dims: [i, o], matrices: [at((output, input) => input * o + output)] },
      transB: { dims: [o, i], matrices: [at((output, input) => output * i + input)] },
      left: { dims: [o, i], matrices: [at((output, input) => output * i + input)] },
      Conv: {
        dims: [g * o, i, k],
        matrices: range(g).flatMap((group) =>
          range(k).map((position) => at((output, input) => ((group * o + output) * i + input) * k + position)),
        ),
      },
      ConvTranspose: {
        dims: [g * i, o, k],
        matrices: range(g).flatMap((group) =>
          range(k).map((position) => at((output, input) => ((group * i + input) * o + output) * k + position)),
        ),
      },
      GRU: {
        dims: [1, 3 * o, i],
        matrices: range(3).map((gate) => at((output, input) => (gate * o + output) * i + input)),
      },
    };
    const { dims, matrices } = forms[kind];
    const count = dims.reduce((product, dim) => product * dim, 1);
    return fc.array(small, { minLength: count, maxLength: count }).map((list): Placed => {
      const values = Float32Array.from(list);
      const model = buildModel((b) => {
        b.input('x', 'float32', null);
        b.input('r', 'float32', null);
        b.floats('W', dims, values);
        const group = intAttribute('group', g);
        if (kind === 'transB') b.op('Gemm', ['x', 'W'], { attributes: [intAttribute('transB', 1)], outputs: ['y'] });
        else if (kind === 'left') b.op('MatMul', ['W', 'x'], { outputs: ['y'] });
        else if (kind === 'GRU') b.op('GRU', ['x', 'W', 'r'], { outputs: ['y'] });
        else if (kind.startsWith('Conv')) b.op(kind, ['x', 'W'], { attributes: [group], outputs: ['y'] });
        else b.op(kind, ['x', 'W'], { outputs: ['y'] });
        b.output('y', 'float32', null);
      });
      return { model, values, matrices };
    });
  });

async function pruned(model: Model, options: object): Promise<number[]> {
  const spec = { pass: 'prune.magnitude', rule: 'nm', ...options } as const;
  const result = await magnitudePass.apply(model, spec, offlineContext());
  return [...readFloats(result.model.graph.initializers.get('W')!)];
}

const chunks = <T>(list: readonly T[], size: number): T[][] =>
  range(Math.ceil(list.length / size)).map((i) => list.slice(i * size, (i + 1) * size));

describe('n of every m', () => {
  it('keeps the n largest of every group along the input axis, whatever the layout, and nothing else changes', async () => {
    const shape = fc.integer({ min: 2, max: 5 }).chain((m) => fc.record({ m: fc.constant(m), n: fc.nat(m - 2) }));
    await fc.assert(
      fc.asyncProperty(placed, shape, async ({ model, values, matrices }, { n: less, m }) => {
        const n = less + 1;
        const inputs = matrices[0]?.[0]?.length ?? 0;
        if (inputs < m) {
          await expect(pruned(model, { n, m })).rejects.toThrow(`its input axis is shorter than ${m}: W`);
          return;
        }
        const after = await pruned(model, { n, m });
        for (const group of matrices.flat().flatMap((row) => chunks(row, m))) {
          const was = group.map((index) => Math.abs(values[index] ?? NaN));
          const is = group.map((index) => after[index] ?? NaN);
          // Of equal ones the first go: the largest n, with a preference for the last.
          const order = range(group.length).sort((a, b) => was[b]! - was[a]! || b - a);
          const kept = new Set(order.slice(0, n));
          expect(is).toEqual(group.map((index, i) => (kept.has(i) ? values[index] : 0)));
        }
      }),
      { numRuns: 300 },
    );
  });

  it('refuses values that are not finite', async () => {
    const model = buildModel((b) => {
      b.floats('W', [4, 1], [1, NaN, 2, 3]);
      b.op('MatMul', ['x', 'W'], { outputs: ['y'] });
      b.output('y', 'float32', null);
    });
    await expect(pruned(model, { n: 2, m: 4 })).rejects.toThrow('the weight "W" has values that are not finite');
  });
});

describe('blocks', () => {
  it('go whole, exactly the share asked for, those of the smallest norm', async () => {
    const options = fc.record({
      block: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
      ratio: fc.double({ min: 0.05, max: 0.95, noNaN: true }),
    });
    await fc.assert(
      fc.asyncProperty(placed, options, async ({ model, values, matrices }, { block, ratio }) => {
        const after = await pruned(model, { rule: 'ratio', ratio, block });
        const [rows, columns] = block;
        const blocks = matrices.flatMap((matrix) =>
          chunks(matrix, rows).flatMap((part) =>
            range(Math.ceil((part[0]?.length ?? 0) / columns)).map((i) =>
              part.flatMap((row) => row.slice(i * columns, (i + 1) * columns)),
            ),
          ),
        );
        const norm = (block: readonly number[]): number =>
          Math.fround(Math.sqrt(block.reduce((sum, index) => sum + values[index]! ** 2, 0) / block.length));
        const gone = blocks.filter((block) => block.every((index) => after[index] === 0));
        const left = blocks.filter((block) => !gone.includes(block));
        const empty = blocks.filter((block) => block.every((index) => values[index] === 0)).length;
        expect(gone).toHaveLength(Math.max(Math.round(blocks.length * ratio), empty));
        for (const block of left) expect(block.map((index) => after[index])).toEqual(block.map((i) => values[i]));
        expect(Math.max(0, ...gone.map(norm))).toBeLessThanOrEqual(Math.min(Infinity, ...left.map(norm)));
      }),
      { numRuns: 300 },
    );
  });
});

describe('one by one', () => {
  it('finds the same bound by counting as by sorting', () => {
    const value = fc.oneof(fc.float(), fc.constantFrom(0, -0, 1, -1, NaN, Infinity));
    const ratio = fc.double({ min: 0.01, max: 0.99, noNaN: true });
    fc.assert(
      fc.property(fc.array(value, { minLength: 1, maxLength: 50 }), ratio, (list, share) => {
        const verdicts = (values: Float32Array | Float64Array): boolean[] =>
          [...values].map(judge([values], { rule: 'ratio', ratio: share }));
        expect(verdicts(Float32Array.from(list))).toEqual(verdicts(Float64Array.from(list)));
      }),
      { numRuns: 500 },
    );
  });

  it('zeroes exactly the share asked for, smallest first, and always the same', () => {
    const list = fc.array(small, { minLength: 1, maxLength: 40 });
    const ratio = fc.double({ min: 0.01, max: 0.99, noNaN: true });
    fc.assert(
      fc.property(list, list, ratio, (first, second, share) => {
        const run = (): number[] => {
          const arrays = [Float32Array.from(first), Float32Array.from(second)];
          zeroElements(arrays, { rule: 'ratio', ratio: share });
          return arrays.flatMap((array) => [...array]);
        };
        const before = [...first, ...second];
        const after = run();
        expect(run()).toEqual(after);
        expect(zeros(after)).toBe(Math.max(Math.round(before.length * share), zeros(before)));
        const lost = before.filter((value, i) => after[i] !== value).map(Math.abs);
        const left = after.filter((value) => value !== 0).map(Math.abs);
        expect(Math.max(0, ...lost)).toBeLessThanOrEqual(Math.min(Infinity, ...left));
      }),
    );
  });

  it('never zeroes or counts what is not finite', () => {
    const array = Float32Array.of(NaN, Infinity, 1, 2, -Infinity, 3);
    zeroElements([array], { rule: 'mean' });
    expect([...array]).toEqual([NaN, Infinity, 0, 2, -Infinity, 3]);
    zeroElements([array], { rule: 'ratio', ratio: 0.99 });
    expect([...array]).toEqual([NaN, Infinity, 0, 0, -Infinity, 0]);
  });
});
