import { anyOf, between, type PassSpec, prune, quantize, type Sampler, simplify } from '@slipway/core';
import { describe, expect, it } from 'vitest';
import { crowding, dominates, fronts, type Judged, rank } from './order.ts';
import { defaultSampler, propose } from './sampler.ts';
import { openSpace, type Proposal, type Space } from './space.ts';
import type { Observation } from './tpe.ts';

const judged = (...losses: number[]): Judged => ({ losses, violation: 0 });

/** What a search finds that is run on a function instead of models. */
function searchFor(
  kind: Sampler,
  space: Space,
  lossesOf: (proposal: Proposal) => Judged,
  trials: number,
  seed: number,
): Observation[] {
  const history: Observation[] = [];
  const tried = new Set<string>();
  while (history.length < trials) {
    const proposal = propose(kind, space, history, tried, seed);
    if (proposal === null) break;
    tried.add(proposal.key);
    history.push({ ...lossesOf(proposal), point: proposal.point });
  }
  return history;
}

const SEEDS = Array.from({ length: 20 }, (_, i) => i + 1);
const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
const bestLoss = (history: readonly Observation[]): number => Math.min(...history.map(({ losses }) => losses[0]!));

type Numbers = Readonly<Record<string, number>>;
const firstPass = (proposal: Proposal): PassSpec & Numbers => proposal.steps[0] as PassSpec & Numbers;

describe('the order of trials', () => {
  it('prefers what holds the gates, then what misses them by less, then figures', () => {
    const holds = judged(5, 5);
    const misses = { losses: [1, 1], violation: 0.2 };
    const far = { losses: [0, 0], violation: 0.9 };
    expect([dominates(holds, misses), dominates(misses, far), dominates(far, misses)]).toEqual([true, true, false]);
    expect(dominates(judged(1, 2), judged(2, 1)) || dominates(judged(1, 2), judged(1, 2))).toBe(false);
  });

  it('sorts into fronts as a look at every pair says', () => {
    const points = Array.from({ length: 60 }, (_, i) => judged((i * 37) % 11, (i * 53) % 7, (i * 29) % 5));
    const layers = fronts(points);
    expect(layers.flat().sort((a, b) => a - b)).toEqual(points.map((_, i) => i));
    for (const [level, front] of layers.entries()) {
      for (const i of front) {
        const dominators = points.flatMap((other, j) => (dominates(other, points[i] ?? judged()) ? [j] : []));
        const deepest = Math.max(-1, ...dominators.map((j) => layers.findIndex((one) => one.includes(j))));
        expect(deepest).toBe(level - 1);
      }
    }
  });

  it('puts the ends of a front first, and what stands close together last', () => {
    const front = [judged(0, 10), judged(5, 5), judged(5.1, 4.9), judged(9, 1), judged(10, 0)];
    const room = crowding(front);
    expect([room[0], room[4]]).toEqual([Infinity, Infinity]);
    expect(room[2]).toBeLessThan(room[3] ?? 0);
    expect(rank(front).slice(0, 2)).toEqual([0, 4]);
    expect(rank([judged(3), judged(1), judged(2)])).toEqual([1, 2, 0]);
  });
});

describe('a finite space', () => {
  const space = openSpace({
    templates: {
      dynamic: [quantize.dynamic({ perChannel: anyOf(true, false) })],
      static: [anyOf<PassSpec[]>([], [simplify()]), quantize.static({ perChannel: anyOf(true, false) })],
    },
  });

  it.each<Sampler>(['exhaustive', 'random', 'tpe', 'pareto'])('is tried whole and once by "%s"', (kind) => {
    const seen = new Set<string>();
    const history = searchFor(
      kind,
      space,
      ({ key }) => {
        expect(seen.has(key)).toBe(false);
        seen.add(key);
        return judged(key.length, 1);
      },
      100,
      3,
    );
    expect(history).toHaveLength(2 + 4);
    expect(space.size).toBe(6);
    expect(defaultSampler(space)).toBe('exhaustive');
  });

  it('gives two ways to the same passes as one', () => {
    const same = openSpace({ templates: { a: [anyOf(simplify(), simplify({}))], b: [simplify()] } });
    expect(searchFor('exhaustive', same, () => judged(1), 100, 1)).toHaveLength(1);
  });

  it('leaves out what options rule out together', () => {
    const ratio = anyOf(undefined, 0.5) as number;
    const pruned = openSpace({ templates: { a: [prune.magnitude({ rule: anyOf('mean', 'ratio'), ratio })] } });
    expect([...pruned.all()]).toHaveLength(2);
  });
});

describe('the same seed', () => {
  it('gives the same trials, also when the search goes on in another process after any of them', () => {
    const space = openSpace({ templates: { a: [prune.magnitude({ rule: 'ratio', ratio: between(0.01, 0.99) })] } });
    const losses = (proposal: Proposal): Judged => judged(Math.abs(firstPass(proposal)['ratio']! - 0.3));
    const whole = searchFor('tpe', space, losses, 30, 7).map(({ point }) => [...point]);
    expect(searchFor('tpe', space, losses, 30, 7).map(({ point }) => [...point])).toEqual(whole);
    expect(searchFor('tpe', space, losses, 30, 8).map(({ point }) => [...point])).not.toEqual(whole);
    expect(searchFor('tpe', space, losses, 17, 7).map(({ point }) => [...point])).toEqual(whole.slice(0, 17));
  });
});

describe('the Parzen estimator against chance, mean over twenty seeds', () => {
  const ratios = (low: number, high: number): PassSpec[] => [
    prune.magnitude({ rule: 'ratio', ratio: between(low, high) }),
    prune.magnitude({ rule: 'threshold', threshold: between(0.001, 1, { log: true }) }),
  ];
  const numbersOf = ({ steps }: Proposal): Numbers => Object.assign({}, ...steps) as Numbers;

  it('finds a deeper point of a curved valley', () => {
    const space = openSpace({ templates: { a: ratios(0.001, 0.999) } });
    const losses = (proposal: Proposal): Judged => {
      const { ratio = 0, threshold = 0 } = numbersOf(proposal);
      return judged((ratio - 0.37) ** 2 + 0.1 * (Math.log10(threshold) + 1.2) ** 2);
    };
    const found = (kind: Sampler): number =>
      mean(SEEDS.map((seed) => bestLoss(searchFor(kind, space, losses, 50, seed))));
    expect(found('tpe')).toBeLessThan(0.5 * found('random'));
  });

  it('finds the right branch and the best number inside it', () => {
    const space = openSpace({
      templates: Object.fromEntries(['a', 'b', 'c', 'd'].map((name) => [name, ratios(0.001, 0.999)])),
    });
    const offset: Numbers = { a: 0.5, b: 0.2, c: 0, d: 0.8 };
    const losses = (proposal: Proposal): Judged =>
      judged(offset[proposal.recipe]! + Math.abs(firstPass(proposal)['ratio']! - 0.8));
    const found = (kind: Sampler): number =>
      mean(SEEDS.map((seed) => bestLoss(searchFor(kind, space, losses, 60, seed))));
    expect(found('tpe')).toBeLessThan(0.7 * found('random'));
  });

  it('covers more of a front of two figures', () => {
    const space = openSpace({ templates: { a: ratios(0.001, 0.999) } });
    // Both figures suffer alike from a bad threshold; with a good one they trade against each other.
    const losses = (proposal: Proposal): Judged => {
      const { ratio = 0, threshold = 0 } = numbersOf(proposal);
      const waste = Math.abs(Math.log10(threshold) + 2);
      return judged(ratio + waste, 1 - Math.sqrt(ratio) + waste);
    };
    /** Area below (2, 2) that the trials dominate. */
    const covered = (history: readonly Observation[]): number => {
      const front = history.map(({ losses: [x = 2, y = 2] }) => [Math.min(x, 2), Math.min(y, 2)] as const);
      let area = 0;
      let lowest = 2;
      for (const [x, y] of [...front].sort((a, b) => a[0] - b[0])) {
        if (y >= lowest) continue;
        area += (2 - x) * (lowest - y);
        lowest = y;
      }
      return area;
    };
    const found = (kind: Sampler): number =>
      mean(SEEDS.map((seed) => covered(searchFor(kind, space, losses, 60, seed))));
    expect(found('pareto')).toBeGreaterThan(found('random') + 0.1);
  });
});
