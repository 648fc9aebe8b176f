import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { VersionState } from '@slipway/core';
import { type PlannedVersion, planVersions } from './plan.ts';

const v = (version: number, state: VersionState, more: Partial<PlannedVersion> = {}): PlannedVersion => ({
  version,
  state,
  loadable: state === 'gone',
  pinned: false,
  ...more,
});

describe('which versions are loaded and dropped', () => {
  it.each([
    ['the newest of a fresh directory', [v(1, 'gone'), v(2, 'gone')], [], { load: [2], drain: [] }],
    ['a new version beside the old one', [v(1, 'ready'), v(2, 'gone')], [1], { load: [2], drain: [] }],
    ['nothing while the new one loads', [v(1, 'ready'), v(2, 'loading')], [1], { load: [], drain: [] }],
    ['the old one goes when the new one is ready', [v(1, 'ready'), v(2, 'ready')], [1, 2], { load: [], drain: [1] }],
    ['the old one stays when the new one failed', [v(1, 'ready'), v(2, 'failed')], [1], { load: [], drain: [] }],
    ['an older one serves when the newest failed', [v(1, 'gone'), v(2, 'failed')], [], { load: [1], drain: [] }],
    [
      'a failed one again when its time has come',
      [v(1, 'ready'), v(2, 'failed', { loadable: true })],
      [1],
      { load: [2], drain: [] },
    ],
    [
      'not one that is still being copied',
      [v(1, 'ready'), v(2, 'gone', { loadable: false })],
      [1],
      { load: [], drain: [] },
    ],
    ['the last version is never dropped', [], [3], { load: [], drain: [] }],
    ['back to an older one when the newer is deleted', [v(1, 'gone')], [2], { load: [1], drain: [] }],
    ['and then the deleted one goes', [v(1, 'ready')], [1, 2], { load: [], drain: [2] }],
    [
      'labelled versions beside the newest',
      [v(1, 'gone', { pinned: true }), v(2, 'gone'), v(3, 'ready')],
      [3],
      { load: [1], drain: [] },
    ],
    ['labelled versions stay', [v(1, 'ready', { pinned: true }), v(3, 'ready')], [1, 3], { load: [], drain: [] }],
  ])('%s', (_, listed, ready, expected) => {
    expect(planVersions(listed, ready)).toEqual(expected);
  });

  it('never drops the only version that is ready', () => {
    const state = fc.constantFrom<VersionState>('loading', 'ready', 'draining', 'failed', 'gone');
    const version = fc.record({
      version: fc.integer({ min: 1, max: 6 }),
      state,
      loadable: fc.boolean(),
      pinned: fc.boolean(),
    });
    fc.assert(
      fc.property(
        fc.uniqueArray(version, { selector: ({ version: of }) => of }),
        fc.uniqueArray(fc.integer({ min: 7, max: 9 })),
        (listed, unlisted) => {
          const ready = [...listed.filter((of) => of.state === 'ready').map((of) => of.version), ...unlisted];
          const { drain, load } = planVersions(listed, ready);
          expect(drain.every((of) => ready.includes(of))).toBe(true);
          if (ready.length > 0) expect(drain.length).toBeLessThan(ready.length);
          expect(load.every((of) => !ready.includes(of))).toBe(true);
        },
      ),
    );
  });
});
