/**
 * Every pass on models that others made: a slice of what `npm run e2e:matrix` tries, of which docs/guides/passes-on-models.md shows
 * the outcomes. The digit classifier meets every option; larger models some of them, others than their neighbours.
 */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { realModels, rowsOfCalls } from '../testing/real-models.ts';
import { expectedOf, tryCell } from './testing/matrix/cell.ts';
import { type Outcomes, renderPage } from './testing/matrix/page.ts';
import { ALL_OPTIONS, title } from './testing/matrix/specs.ts';

const root = path.resolve(import.meta.dirname, '../../../..');
const data = path.resolve(root, '../shared/data');
/** One option of so many. */
const SHARE: Readonly<Record<string, number>> = { mnist: 1, sentiment: 5, squeezenet: 8, shufflenet: 16 };
const MINUTES = 60_000;
const recorded = JSON.parse(readFileSync(path.join(root, 'bench/prepare/matrix.json'), 'utf8')) as Outcomes;

describe.skipIf(!existsSync(data))('every pass on real models (needs ../shared/data)', () => {
  it.each(Object.keys(SHARE).map((name, index) => ({ name, index })))(
    '$name',
    async ({ name, index }) => {
      const real = realModels(data).find((each) => each.name === name)!;
      const model = await real.read();
      const calls = real.calls(model);
      const subject = { model, smooth: true, calls, calibration: rowsOfCalls(model, calls) };
      const expected = await expectedOf(subject);
      const kinds: Record<string, string> = {};
      for (const [at, option] of ALL_OPTIONS.entries()) {
        if ((at + index) % SHARE[name]! !== 0) continue;
        const outcome = await tryCell(subject, option, expected);
        kinds[title(option.spec)] = outcome.kind === 'broken' ? outcome.problem : outcome.kind;
      }
      const before = Object.keys(kinds).map((option) => [option, recorded[name]?.[option]?.kind]);
      expect(kinds).toEqual(Object.fromEntries(before));
    },
    5 * MINUTES,
  );
});

describe('the recorded outcomes of every pass on every model', () => {
  it('are of every option on six models, with no broken promise', () => {
    expect(Object.keys(recorded)).toHaveLength(6);
    const missing = Object.entries(recorded).flatMap(([name, outcomes]) =>
      ALL_OPTIONS.flatMap(({ spec }) => (outcomes[title(spec)] === undefined ? [`${name}: ${title(spec)}`] : [])),
    );
    expect(missing).toEqual([]);
    for (const outcomes of Object.values(recorded)) {
      expect(Object.values(outcomes).filter(({ kind }) => kind === 'broken')).toEqual([]);
      const known = ALL_OPTIONS.map(({ spec }) => title(spec));
      expect(Object.keys(outcomes).filter((option) => !known.includes(option))).toEqual([]);
    }
  });

  it('are what the guide shows', () => {
    const page = readFileSync(path.join(root, 'docs/guides/passes-on-models.md'), 'utf8');
    const order = ['mnist', 'sentiment', 'squeezenet', 'shufflenet', 'resnet50', 'densenet121'];
    expect(page).toBe(renderPage(recorded, order));
  });
});
