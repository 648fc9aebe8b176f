/** A search that is killed at any moment goes on where it was. */
import { spawn } from 'node:child_process';
import { readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { between, openStore, optional, prune, randomStream, search, simplify, type Trial } from '@slipway/core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { build } from '../pipeline/build.ts';
import { makeProject, type Project } from '../testing/projects.ts';

let project: Project;
beforeEach(async () => {
  project = await makeProject();
});
afterEach(() => project.remove());

describe('a search that is killed again and again', () => {
  it('goes on where it was, with the store intact, to what it would have found undisturbed', async () => {
    const recipe = search([optional(simplify()), prune.magnitude({ rule: 'ratio', ratio: between(0.1, 0.8) })], {
      sampler: 'tpe',
      trials: 6,
    });
    writeFileSync(path.join(project.directory, 'recipe.json'), JSON.stringify(recipe));
    const main = path.join(import.meta.dirname, '..', 'testing', 'build-main.ts');
    const random = randomStream(Date.now());
    let kills = 0;
    for (let round = 0; round < 4; round++) {
      const ended = await new Promise<NodeJS.Signals | null>((resolve) => {
        const child = spawn(process.execPath, [main, project.directory], { stdio: 'ignore' });
        const timer = setTimeout(() => child.kill('SIGKILL'), round === 0 ? 300 : 300 + random() * 2500);
        child.on('close', (_code, signal) => {
          clearTimeout(timer);
          resolve(signal);
        });
      });
      if (ended === 'SIGKILL') kills++;
      const store = await openStore(project.config().store);
      expect((await store.list()).length).toBeLessThanOrEqual(1);
    }
    const whole = project.config({ recipe, gates: { drop: 0.9 } });
    const { report, release } = await build(whole);
    const resumed = report.search!.trials;
    expect(readdirSync(path.join(project.directory, '.slipway', 'cache', 'tmp'))).toEqual([]);
    // What was taken over comes first: a search never tries the same twice, nor forgets in between.
    const taken = resumed.map(({ cached }) => cached);
    expect(taken).toEqual([...taken].sort((a, b) => Number(b) - Number(a)));
    const undisturbed = await makeProject();
    try {
      const calm = await build(undisturbed.config({ recipe, gates: { drop: 0.9 } }));
      expect(calm.report.search!.trials.map(essence)).toEqual(resumed.map(essence));
      expect(calm.release!.digest).toBe(release!.digest);
    } finally {
      undisturbed.remove();
    }
    expect(kills, 'children that were killed before they finished').toBeGreaterThan(0);
  });
});

const essence = ({ name, passes, end, outcome, bytes, metric, best }: Trial): unknown => ({
  name,
  passes,
  end,
  outcome,
  bytes,
  metric,
  best,
});
