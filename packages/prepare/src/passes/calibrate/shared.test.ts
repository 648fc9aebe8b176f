import type { CalibrationSpec } from '@slipway/core';
import { buildModel, type Model } from '@slipway/onnx';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { PassContext } from '../../pass.ts';
import { staticPass } from '../static/pass.ts';
import { runningContext } from '../testing/context.ts';
import { randomCnn } from '../testing/random-cnn.ts';
import { bytesOfModel, datasetOf, floats, uniform } from '../testing/run.ts';
import { calibrate } from './calibrate.ts';

interface Watched extends Disposable {
  readonly context: PassContext;
  /** How many models were run so far. */
  readonly runs: () => number;
  /** What was asked of `work` each time it was called. */
  readonly asked: string[][];
}

/** A context that remembers in a map, through JSON as the cache of a build does. */
function watched(model: Model, known: Map<string, string> | null): Watched {
  const inner = runningContext(datasetOf(model, { x: floats([20, 4, 8, 8], 7) }));
  const asked: string[][] = [];
  let runs = 0;
  const context: PassContext = {
    ...inner,
    runModel(...given) {
      runs++;
      return inner.runModel(...given);
    },
    async remember(about, items, work) {
      const keyOf = (item: string): string => JSON.stringify([about, item]);
      const missing = items.filter((item) => known?.has(keyOf(item)) !== true);
      const made: Awaited<ReturnType<typeof work>> = missing.length === 0 ? new Map() : await work(missing);
      if (missing.length > 0) asked.push([...missing]);
      if (known === null) return made;
      for (const [item, value] of made) known.set(keyOf(item), JSON.stringify(value));
      return new Map(items.map((item) => [item, JSON.parse(known.get(keyOf(item)) ?? 'null')]));
    },
  };
  return { context, runs: () => runs, asked, [Symbol.dispose]: () => inner[Symbol.dispose]() };
}

/** Nodes with a name, of which some are left out. */
const namesOf = ({ graph }: Model): string[] => graph.nodes.map(({ name }) => name).filter((name) => name !== '');

const METHODS: readonly CalibrationSpec[] = ['minmax', { method: 'ema' }, 'percentile', 'auto'];

describe('ranges that were found before', () => {
  it.each(METHODS)('give the same model, whatever was left out then and is left out now: %s', async (method) => {
    const run = async (model: Model, exclude: string[], known: Map<string, string> | null): Promise<string | null> => {
      using one = watched(model, known);
      const spec = {
        pass: 'quantize.static',
        calibration: method,
        ...(exclude.length > 0 ? { exclude } : {}),
      } as const;
      try {
        const result = await staticPass.apply(model, spec, one.context);
        return JSON.stringify([bytesOfModel(result.model), result.notes]);
      } catch (error) {
        return String(error);
      }
    };
    await fc.assert(
      fc.asyncProperty(
        fc.nat(1000),
        fc.array(fc.array(fc.nat(), { maxLength: 3 }), { minLength: 2, maxLength: 3 }),
        async (seed, choices) => {
          const model = randomCnn(seed);
          const names = namesOf(model);
          const known = new Map<string, string>();
          for (const choice of choices) {
            const exclude = [...new Set(choice.map((at) => names[at % names.length] ?? ''))];
            expect(await run(model, exclude, known)).toBe(await run(model, exclude, null));
          }
        },
      ),
      { numRuns: 6 },
    );
  });

  it.each(METHODS.slice(0, 3))(
    'do not depend on what else is asked, where the engine would fuse what nobody asks about: %s',
    async (method) => {
      const model = buildModel((b) => {
        const x = b.input('x', 'float32', ['rows', 4, 8, 8]);
        const conv = b.op('Conv', [x, b.floats('w', [8, 4, 3, 3], uniform(288, 1))], { outputs: ['conv'] });
        const scaled = b.op('Mul', [conv, b.floats('m', [8, 1, 1], uniform(8, 2))], { outputs: ['scaled'] });
        b.output(b.op('Add', [scaled, b.floats('a', [8, 1, 1], uniform(8, 3))], { outputs: ['y'] }), 'float32', null);
      });
      const ask = async (...tensors: string[]): Promise<unknown> => {
        using one = watched(model, null);
        const options = { method, levels: 256, symmetric: false };
        const { ranges } = await calibrate('quantize.static', model, tensors, options, one.context);
        return ranges.get('y');
      };
      const together = await ask('x', 'conv', 'scaled', 'y');
      expect(await ask('y')).toEqual(together);
    },
  );

  it('are not looked for again, and of others only those that are missing are', async () => {
    const model = randomCnn(3);
    const tensors = model.graph.nodes.flatMap(({ outputs }) => outputs).slice(0, 4);
    const known = new Map<string, string>();
    const options = { method: 'minmax', levels: 256, symmetric: false } as const;
    using one = watched(model, known);
    const ask = (names: readonly string[]) => calibrate('quantize.static', model, names, options, one.context);
    const some = await ask(tensors.slice(0, 2));
    expect(one.runs()).toBe(1);
    const again = await ask(tensors.slice(0, 2));
    expect(again.ranges).toEqual(some.ranges);
    expect(one.runs()).toBe(1);
    const all = await ask(tensors);
    expect(one.runs()).toBe(2);
    expect(one.asked.map(({ length }) => length)).toEqual([2, 2]);
    expect([...all.ranges.keys()]).toEqual(tensors);
    expect(all.ranges.get(tensors[0]!)).toEqual(some.ranges.get(tensors[0]!));
    // Another method asks another question.
    await calibrate('quantize.static', model, tensors, { ...options, method: 'mse' }, one.context);
    expect(one.runs()).toBe(3);
  });
});
