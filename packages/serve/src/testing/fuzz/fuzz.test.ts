/** Seconds of fuzzing on every run, with fixed seeds; hours of it are `npm run fuzz`. Everything ever found is in the corpus, and stays there. */
import { describe, expect, it } from 'vitest';
import { mutate, Random } from './mutate.ts';
import { fuzz, readCorpus } from './run.ts';
import { httpTarget } from './http-target.ts';
import { TARGETS } from './targets.ts';

const INPUTS = 400;

describe('every decoder', () => {
  it.each([...TARGETS, httpTarget()].map((target) => [target.name, target] as const))('%s', async (_, target) => {
    const { tried, findings } = await fuzz(target, 1, (so) => so < INPUTS);
    expect(findings.map(({ input, problem }) => `${input.toString('base64').slice(0, 400)}: ${problem}`)).toEqual([]);
    expect(tried).toBeGreaterThanOrEqual(INPUTS);
  });
});

describe('the harness', () => {
  it('makes the same inputs from the same seed', () => {
    const corpus = readCorpus('json');
    const make = (): string[] => {
      const random = new Random(7);
      return Array.from({ length: 100 }, () => mutate(corpus, random).toString('base64'));
    };
    expect(make()).toEqual(make());
    expect(new Set(make()).size).toBeGreaterThan(90);
  });

  it('finds what is planted', async () => {
    const planted = {
      name: 'planted',
      corpus: 'json',
      run(bytes: Buffer): void {
        if (bytes.includes('1e999')) throw new TypeError('planted');
      },
    };
    const { findings } = await fuzz(planted, 1, (tried) => tried < 5000);
    expect(findings).toHaveLength(1);
  });
});
