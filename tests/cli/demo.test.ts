/** `npm run demo`, from a copy of the example: the main job, as the README promises it. */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Report } from '@slipway/core';

const examples = path.join(import.meta.dirname, '../../examples');
// Beside the original, so that its imports of the rooms resolve; ignored by git like every build.
const ignored = path.join(examples, '.slipway');
mkdirSync(ignored, { recursive: true });
const copy = mkdtempSync(path.join(ignored, 'demo-'));
let stdout = '';

beforeAll(() => {
  cpSync(path.join(examples, 'digits'), copy, { recursive: true, filter: (file) => !file.includes('.slipway/') });
  const ran = spawnSync(process.execPath, [path.join(copy, 'demo.ts')], { encoding: 'utf8' });
  expect(ran.stderr).toBe('');
  expect(ran.status).toBe(0);
  stdout = ran.stdout;
});
afterAll(() => rmSync(copy, { recursive: true, force: true }));

describe('the demo', () => {
  const report = (): Report =>
    JSON.parse(readFileSync(path.join(copy, '.slipway/reports/digits.json'), 'utf8')) as Report;

  it('shows every candidate with its verdict, and where the page is', () => {
    for (const name of ['source', 'float32', 'pruned', 'int8-static', 'int8-dynamic', 'pruned+int8']) {
      expect(stdout).toContain(name);
    }
    const page = /charts: (.+\.html)/.exec(stdout)?.[1];
    expect(existsSync(page ?? '')).toBe(true);
  });

  it('reads five held-out images as they are labelled', () => {
    const answered = stdout.slice(stdout.indexOf('POST http'));
    expect(answered.match(/→ \w+/g)).toEqual(['→ seven', '→ two', '→ eight', '→ five', '→ nine']);
  });

  it('releases the smallest of those that passed the gates', () => {
    const { choices, winner, candidates, rows } = report();
    expect(winner).toBe('pruned+int8');
    expect(choices.size).toBe(winner);
    expect(rows).toEqual({ calibration: 200, evaluation: 2500 });
    const sizes = new Map(candidates.map(({ name, size }) => [name, size!.compressedBytes]));
    expect(sizes.get('pruned+int8')).toBeLessThan(sizes.get('source')! / 3);
    expect(candidates.find(({ name }) => name === 'pruned')?.verdict).toBe('failed');
  });
});
