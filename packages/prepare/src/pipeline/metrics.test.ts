/** Metrics through a whole build: several at once, slices, gates, one's own function, and what is wrong with data and config. */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { custom, prune, readNpz, search, tensor, type UserConfig, writeNpz } from '@slipway/core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeProject, type Project } from '../testing/projects.ts';
import { build } from './build.ts';

let project: Project;
beforeEach(async () => {
  project = await makeProject();
});
afterEach(() => project.remove());

const recipe = search({ pruned: [prune.magnitude({ rule: 'ratio', ratio: 0.75 })] });
const built = async (change: Partial<UserConfig>) => (await build(project.config({ recipe, ...change }))).report;
const metric = (own: NonNullable<UserConfig['data']>['metric'], more: object = {}) => ({
  data: { evaluation: 'evaluation.npz', metric: own, ...more },
});

/** The evaluation rows with something more, or without something. */
function rewrite(
  change: (arrays: Map<string, Parameters<typeof tensor>[2]>) => readonly (readonly [string, never])[],
): void {
  const file = path.join(project.directory, 'evaluation.npz');
  const arrays = new Map(readNpz(readFileSync(file), file));
  writeFileSync(file, writeNpz(change(arrays as never) as never));
}

describe('metrics of a build', () => {
  it('are several at once, the first of them primary, each against the source', async () => {
    const { candidates, metrics } = await built(metric(['f1', { metric: 'top-k', k: 2 }, 'log-loss', 'agreement']));
    expect(metrics).toEqual(['f1-macro', 'top-2', 'log-loss', 'agreement']);
    const [source, pruned] = candidates;
    expect(source!.metrics.map(({ versusSource }) => versusSource)).toEqual([null, null, null, null]);
    expect(pruned!.metrics.map(({ name, better }) => [name, better])).toEqual([
      ['f1-macro', 'higher'],
      ['top-2', 'higher'],
      ['log-loss', 'lower'],
      ['agreement', 'higher'],
    ]);
    const [f1, top, loss, agreement] = pruned!.metrics;
    expect(f1!.value).toMatchObject({ method: 'bootstrap', rows: 200, confidence: 0.95 });
    expect(f1!.value!.low).toBeLessThan(f1!.value!.value);
    expect(top!.value!.method).toBe('wilson');
    expect(loss!.versusSource).toMatchObject({ test: 'bootstrap' });
    expect(agreement!.value!.value).toBe(pruned!.parity!.argmaxAgreement);
    expect(agreement!.versusSource).toMatchObject({ test: 'mcnemar', verdict: 'worse', gained: 0 });
    // Every class is a slice of what can be told apart by class.
    expect(top!.slices.map(({ by, name }) => `${by} ${name}`)).toEqual(['class 0', 'class 1', 'class 2']);
    expect(f1!.slices).toEqual([]);
  });

  it('are the same from the cache', async () => {
    const own = metric(['accuracy', 'roc-auc', custom('own', ({ rows }) => new Float64Array(rows).fill(0.25))]);
    const first = await built(own);
    const again = await built(own);
    expect(again.candidates.map((one) => one.metrics)).toEqual(first.candidates.map((one) => one.metrics));
    expect(first.candidates[0]!.metrics[2]).toMatchObject({
      name: 'own',
      value: { value: 0.25, low: 0.25, high: 0.25 },
    });
  });

  it('are told apart by group, and a gate protects each group', async () => {
    rewrite((arrays) => {
      const groups = Array.from({ length: 200 }, (_, row) => (row % 4 === 0 ? 'few' : 'many'));
      return [...arrays, ['group', tensor('string', [200], groups)]] as never;
    });
    const report = await built({
      gates: { slices: { drop: 0 } },
      data: { evaluation: 'evaluation.npz', slices: ['group'] },
    });
    const [source, pruned] = report.candidates;
    expect(source!.gates.map(({ of, actual, passed }) => [of!.slice!.name, actual, passed])).toEqual([
      ['few', 0, true],
      ['many', 0, true],
    ]);
    expect(pruned!.verdict).toBe('failed');
    expect(pruned!.reason).toMatch(/^accuracy drop of group (few|many) \d+\.\d\d points, at most 0\.00 points/);
  });

  it('can be without labels, when they compare with the source', async () => {
    rewrite((arrays) => [...arrays].filter(([name]) => name !== 'labels') as never);
    const { candidates, choices } = await built({ ...metric('sqnr'), gates: { metric: 1 } });
    expect(candidates[1]!.metrics[0]).toMatchObject({ name: 'sqnr', unit: 'decibels' });
    expect(choices.accuracy).toBe('source');
  });

  it('of one’s own that fails ends the build with the row', async () => {
    const own = custom('own', ({ firstRow, rows }) =>
      Float64Array.from({ length: rows }, (_, row) => (firstRow + row === 70 ? Number.NaN : 1)),
    );
    await expect(built(metric(own))).rejects.toMatchObject({
      code: 'METRIC_FAILED',
      message: 'The metric "own" cannot be measured: row 70: it gave NaN, not a finite number',
    });
  });
});

describe('what cannot be measured is said before anything runs', () => {
  it('a metric that needs labels where there are none', async () => {
    rewrite((arrays) => [...arrays].filter(([name]) => name !== 'labels') as never);
    await expect(built(metric('f1'))).rejects.toThrow(
      'the metric f1-macro needs labels, and the evaluation data has none; without labels, "agreement"',
    );
    await expect(built({ data: { metric: 'accuracy' } })).rejects.toThrow('there is no evaluation data');
  });

  it.each<[string, Partial<UserConfig>, string]>([
    [
      'a gate on a metric that is not measured',
      { gates: { metrics: { f1: { drop: 0 } } } },
      'gates.metrics: "f1" is not measured (data.metric: accuracy)',
    ],
    [
      'a gate on a metric where none is measured',
      { data: {}, gates: { drop: 0.01 } },
      'gates.drop: no metric is measured: give evaluation rows with labels',
    ],
    ['a drop in percent', { gates: { drop: 1 } }, 'gates.drop: is 1, which nothing exceeds: accuracy is a share'],
    [
      'a bound in percent',
      { gates: { metric: 97 } },
      'gates.metric: is 97, which nothing reaches: accuracy is a share',
    ],
    [
      'a bound in percent on another metric',
      { ...metric(['log-loss', 'f1']), gates: { drop: 2, metrics: { 'f1-macro': { drop: 5 } } } },
      'gates.metrics["f1-macro"].drop: is 5, which nothing exceeds',
    ],
    [
      'a function of a metric that is not there',
      metric(custom('own', 'own.ts')),
      'own.ts cannot be loaded: no such file',
    ],
    [
      'a gate on slices of a metric that has none',
      { ...metric('f1'), gates: { slices: { drop: 0 } } },
      'gates.slices: there are no slices to protect: f1-macro has none here',
    ],
    [
      'a gate on slices that are all too small',
      { gates: { slices: { drop: 0, rows: 1000 } } },
      'gates.slices: no slice has 1000 rows',
    ],
    ['slices by a group that nobody names', metric('accuracy', { slices: ['group'] }), 'data.slices names "group"'],
    ['labels that do not fit the metric', metric('iou'), 'iou cannot be read from output "scores"'],
  ])('%s', async (_, change, message) => {
    await expect(built(change)).rejects.toThrow(message);
  });
});
