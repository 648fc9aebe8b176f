/** Searches through the whole build: what is tried, and what is rejected before it costs much. */
import {
  anyOf,
  between,
  optional,
  prune,
  quantize,
  type Report,
  search,
  type SearchReport,
  simplify,
  type Trial,
} from '@slipway/core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { build } from '../pipeline/build.ts';
import { makeOutlierProject } from '../testing/outlier.ts';
import { makeProject, type Project } from '../testing/projects.ts';

let project: Project;
beforeEach(async () => {
  project = await makeProject();
});
afterEach(() => project.remove());

const ratio = prune.magnitude({ rule: 'ratio', ratio: between(0.2, 0.6, { step: 0.2 }) });
const searched = (report: Report): SearchReport => report.search!;

describe('a search', () => {
  it('tries every combination of a small space once, and measures the best side by side', async () => {
    const recipe = search({ pruned: [optional(simplify()), ratio] });
    const { report, failure } = await build(project.config({ recipe, gates: { drop: 0.5 } }));
    expect(failure).toBeNull();
    const { sampler, points, ended, trials } = searched(report);
    expect([sampler, points, ended]).toEqual(['exhaustive', 6, 'exhausted']);
    expect(trials.map(({ number }) => number)).toEqual(Array.from({ length: 6 }, (_, i) => i + 1));
    // There is nothing to simplify in one product: the second half gives the models of the first.
    expect(trials.slice(3).every(({ outcome }) => outcome === 'same')).toBe(true);
    expect(trials[3]!.reason).toBe('the same model as pruned#1');
    expect(trials.slice(0, 3).every(({ outcome, end }) => outcome === 'finalist' && end === 'done')).toBe(true);
    expect(report.winner).toBe(`pruned#${bestOf(trials)}`);
    expect(trials.filter(({ best }) => best).at(-1)!.number).toBe(bestOf(trials));
    expect(report.candidates.map(({ name }) => name)).toContain('pruned#1');
  });

  it('goes on to other budgets with what it tried', async () => {
    const gates = { drop: 0.9 };
    const first = await build(project.config({ recipe: search([ratio], { sampler: 'random', trials: 1 }), gates }));
    const second = await build(project.config({ recipe: search([ratio], { sampler: 'random', trials: 3 }), gates }));
    expect(searched(first.report).ended).toBe('trials');
    expect(searched(second.report).trials.map(({ cached }) => cached)).toEqual([true, false, false]);
  });

  it('ends when its minutes are spent, and counts those of an earlier build', async () => {
    const recipe = search([ratio], { minutes: 1e-6 });
    const { report } = await build(project.config({ recipe, gates: { drop: 0.9 } }));
    expect(searched(report).ended).toBe('minutes');
    expect(searched(report).trials).toHaveLength(1);
    const again = await build(project.config({ recipe, gates: { drop: 0.9 } }));
    expect(searched(again.report).trials).toHaveLength(1);
  });

  it('rejects by size before it evaluates, and by the metric before it measures', async () => {
    const recipe = search({
      a: [anyOf(quantize.dynamic(), prune.magnitude({ rule: 'ratio', ratio: anyOf(0.1, 0.99) }))],
    });
    // int8 is larger here than float: a bound between the two.
    const bytes = (await build(project.config())).report.candidates[0]!.size!.bytes + 10;
    const { report } = await build(project.config({ recipe, gates: { bytes, drop: 0.1 } }));
    const [int8, light, heavy] = searched(report).trials;
    expect(int8).toMatchObject({ end: 'size', outcome: 'rejected', compressedBytes: null, metric: null });
    expect(light).toMatchObject({ end: 'done', outcome: 'finalist' });
    expect(heavy).toMatchObject({ end: 'evaluation', outcome: 'rejected', timeRatio: null });
    expect(heavy!.reason).toContain('accuracy drop');
  });

  it('sees through a collapsed model on a few of the rows, and says how sure that is', async () => {
    const broken = await makeOutlierProject();
    try {
      const recipe = search([anyOf(quantize.static(), quantize.dynamic({ only: anyOf(['third']) }))]);
      const { report } = await build(broken.config({ recipe, allow: ['larger'] }));
      const [collapsed, held] = searched(report).trials;
      expect(collapsed).toMatchObject({ end: 'rows', outcome: 'rejected', metric: null });
      expect(collapsed!.reason).toMatch(/^accuracy drop .* seen on \d+ rows \(wrong with probability below 0.001\)$/);
      expect(held).toMatchObject({ end: 'done', outcome: 'finalist' });
    } finally {
      broken.remove();
    }
  });

  it('shows what came closest when nothing holds the gates', async () => {
    const { report, failure } = await build(project.config({ recipe: search([ratio]), gates: { metric: 0.99 } }));
    expect(failure).toMatchObject({ code: 'GATE_FAILED' });
    expect(report.candidates).toHaveLength(2);
    expect(searched(report).trials.filter(({ outcome }) => outcome === 'finalist')).toHaveLength(1);
  });

  it('records trials that cannot be made, and goes on', async () => {
    const recipe = search([anyOf(quantize.static(), prune.magnitude({ rule: 'mean' }))]);
    const { report } = await build(project.config({ recipe, gates: { drop: 0.9 } }));
    const [broken, works] = searched(report).trials;
    expect(broken).toMatchObject({ outcome: 'error', end: 'passes' });
    expect(broken!.reason).toContain('quantize.static');
    expect(works!.outcome).toBe('finalist');
  });
});

/** The number of the smallest trial, compressed. */
function bestOf(trials: readonly Trial[]): number {
  const done = trials.filter(({ outcome }) => outcome === 'finalist');
  return done.reduce((least, one) => (one.compressedBytes! < least.compressedBytes! ? one : least)).number;
}
