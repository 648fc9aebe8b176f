import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileConfig, type Config, type UserConfig } from '../config.ts';
import { passSchema } from '../passes/schema.ts';
import { optimize, type PassSpec, prune, quantize, simplify } from '../passes.ts';
import { anyOf, between, decide, type Dimension, optional, partial } from './choices.ts';
import { search } from './search.ts';
import { countPoints, variants } from './space.ts';

const compile = (more: Partial<UserConfig>): Config =>
  compileConfig({ name: 'm', source: 'm.onnx', ...more }, '/p/slipway.config.ts');
const problem = (more: Partial<UserConfig>): string => {
  try {
    compile(more);
    return 'none';
  } catch (error) {
    return String(error);
  }
};

const open = [
  optional(simplify()),
  anyOf(quantize.dynamic(), quantize.static({ perChannel: anyOf(true, false), activations: anyOf('uint8', 'int8') })),
];

/** Every point, by always taking the least that was not taken. */
function everyPoint(template: readonly unknown[]): unknown[][] {
  const all: unknown[][] = [];
  let path: number[] = [];
  for (;;) {
    const counts: number[] = [];
    all.push(
      decide(template, (dimension) => {
        counts.push(dimension.kind === 'any' ? dimension.count : 1);
        return path[counts.length - 1] ?? 0;
      }),
    );
    path = counts.map((_, i) => path[i] ?? 0);
    while (path.length > 0 && path[path.length - 1]! + 1 >= counts[path.length - 1]!) path.pop();
    if (path.length === 0) return all;
    path[path.length - 1]!++;
  }
}

describe('a recipe with choices', () => {
  it('is a recipe wherever its choices are closed', () => {
    const points = everyPoint(open);
    expect(points).toHaveLength(countPoints(open));
    expect(points).toHaveLength(2 * (1 + 4));
    for (const point of points) expect(passSchema.array().safeParse(point).success).toBe(true);
    expect(points[0]).toEqual([{ pass: 'quantize.dynamic' }]);
    expect(points.at(-1)).toEqual([
      { pass: 'simplify' },
      { pass: 'quantize.static', perChannel: false, activations: 'int8' },
    ]);
  });

  it('asks only for choices that exist where the others were closed', () => {
    const asked = (quantizer: number): string[] => {
      const ids: string[] = [];
      decide(open, (dimension) => {
        ids.push(dimension.id);
        return dimension.id === '[1]' ? quantizer : 0;
      });
      return ids;
    };
    expect(asked(0)).toEqual(['[0]', '[1]']);
    expect(asked(1)).toEqual(['[0]', '[1]', '[1]=1.perChannel', '[1]=1.activations']);
  });

  it('shows every value of every choice in its variants', () => {
    const text = [...variants(open)].map((variant) => JSON.stringify(variant));
    for (const part of ['"simplify"', '"quantize.dynamic"', '"perChannel":false', '"activations":"int8"']) {
      expect(text.some((one) => one.includes(part))).toBe(true);
    }
  });

  it('counts what it enumerates, however choices are nested', () => {
    const leaf = fc.constantFrom<unknown>(1, 'a', true);
    const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
      tree: fc.oneof(
        { maxDepth: 3 },
        leaf,
        fc.array(tie('tree'), { minLength: 1, maxLength: 3 }).map((values) => anyOf(...values)),
        fc.record({ a: tie('tree'), b: tie('tree') }),
      ),
    }));
    fc.assert(
      fc.property(tree, (value) => {
        const template = [value];
        fc.pre(countPoints(template) <= 300);
        expect(everyPoint(template)).toHaveLength(countPoints(template));
      }),
    );
  });

  it('is searched, beside the recipes that are closed already', () => {
    const { candidates, search: plan } = compile({
      recipe: search({ open, closed: [optimize()] }, { trials: 7 }),
    });
    expect(candidates).toEqual({ closed: [{ pass: 'optimize' }] });
    expect(plan).toMatchObject({ sampler: null, trials: 7, minutes: null });
    expect(Object.keys(plan!.templates)).toEqual(['open']);
    expect(Object.keys(compile({ recipe: open }).search!.templates)).toEqual(['recipe']);
    expect(compile({ recipe: [optimize()] }).search).toBeNull();
  });

  it('is not changed by being compiled', () => {
    const recipe = [quantize.static({ exclude: anyOf(['a'], []) })];
    compile({ recipe });
    expect(Object.isFrozen(recipe[0])).toBe(false);
  });
});

describe('what cannot work is said before anything runs', () => {
  const wrong = (recipe: UserConfig['recipe'], gates: UserConfig['gates'] = {}): string => problem({ recipe, gates });

  it('names a value that the option does not take, wherever it hides', () => {
    expect(wrong([quantize.static({ activations: anyOf('uint8', 'int7' as 'int8') })])).toContain(
      'recipe[0].activations',
    );
    expect(wrong(search({ a: [anyOf(optimize(), { pass: 'nope' } as unknown as PassSpec)] }))).toContain(
      'recipe.candidates.a[0]',
    );
    expect(wrong([prune.magnitude({ rule: 'ratio', ratio: between(0.5, 1.5) })])).toContain('recipe[0].ratio');
  });

  it('names the place as it was written where the one recipe of a search has no name', () => {
    const bad = quantize.static({ activations: 'int7' as 'int8' });
    expect(wrong(search([bad]))).toContain('recipe[0].activations');
    expect(wrong(search([anyOf(optimize(), { pass: 'nope' } as unknown as PassSpec)]))).toContain(' recipe[0].pass');
    expect(wrong(search([partial(optimize())]), { drop: 0.01 })).toContain('recipe: optimize has no option');
    // With a name it is the name that was written.
    expect(wrong(search({ recipe: [bad], other: [] }))).toContain('recipe.candidates.recipe[0].activations');
  });

  it('names a choice that is none', () => {
    expect(wrong([anyOf()])).toContain('recipe[0]: anyOf() needs at least one value');
    expect(wrong([prune.magnitude({ rule: 'ratio', ratio: between(0.7, 0.2) })])).toContain('holds no numbers');
    expect(wrong([prune.magnitude({ rule: 'ratio', ratio: between(0, 0.2, { log: true }) })])).toContain('log needs');
    expect(wrong([anyOf(optimize(), prune.magnitude({ rule: 'ratio', ratio: anyOf() }))])).toContain('at least one');
  });

  it('leaves out combinations that options rule out together, unless none is left', () => {
    const both = prune.magnitude({ rule: anyOf('mean', 'ratio'), ratio: anyOf(undefined, 0.5) });
    expect(wrong([both])).toBe('none');
    expect(wrong([prune.magnitude({ rule: anyOf('ratio', 'threshold') })])).toContain('is needed by the rule');
  });

  it('refuses to try every number, and to spend trials on nothing', () => {
    const ratio = prune.magnitude({ rule: 'ratio', ratio: between(0.1, 0.9) });
    expect(wrong(search([ratio], { sampler: 'exhaustive' }))).toContain('without a step');
    const stepped = prune.magnitude({ rule: 'ratio', ratio: between(0.1, 0.9, { step: 0.1 }) });
    expect(wrong(search([stepped], { sampler: 'exhaustive' }))).toBe('none');
    expect(countPoints([stepped])).toBe(9);
    expect(wrong(search([optimize()], { trials: 5 }))).toContain('nothing to spend trials on');
  });

  it('refuses a partial pass that could leave nothing out, or has nothing to reach', () => {
    const gates = { drop: 0.01 };
    expect(wrong([partial(quantize.static())], gates)).toBe('none');
    expect(wrong([partial(quantize.static())], { bytes: 100 })).toContain('give a gate on the metric or on parity');
    expect(wrong([partial(optimize())], gates)).toContain('optimize has no option "exclude"');
    expect(wrong([partial(quantize.static()), partial(quantize.dynamic())], gates)).toContain('at most one');
    expect(wrong([partial(quantize.static(), { most: 2 })], gates)).toContain('most must be in (0, 1]');
    expect(compile({ recipe: [partial(quantize.static())], gates }).candidates).toEqual({
      recipe: [{ partial: { pass: 'quantize.static' }, most: 0.5 }],
    });
  });
});

describe('numbers', () => {
  it('are described to whoever picks one', () => {
    const met: Dimension[] = [];
    decide([prune.magnitude({ rule: 'ratio', ratio: between(0.1, 0.9, { step: 0.2, log: true }) })], (dimension) => {
      met.push(dimension);
      return 0.3;
    });
    expect(met).toEqual([{ id: '[0].ratio', kind: 'between', low: 0.1, high: 0.9, step: 0.2, log: true }]);
  });
});
