/** Preparing models beside the reference tools: `run.ts [graph] [fuse] [static] [dynamic] [accuracy]`. See README.md. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { machine } from '../harness/machine.ts';
import { accuracy } from './accuracy.ts';
import { fuseAll } from './fuse.ts';
import { simplifyAll } from './graph.ts';
import { quantizeDynamic, quantizeStatic } from './large.ts';

const DATA = path.resolve(import.meta.dirname, '../../../shared/data');
const CACHE = path.resolve(import.meta.dirname, '../../.cache/prepare-models');
const RESULTS = path.join(import.meta.dirname, 'results.json');

const QUESTIONS: Readonly<Record<string, (work: string) => Promise<unknown>>> = {
  graph: (work) => simplifyAll(DATA, CACHE, work, 5),
  fuse: (work) => fuseAll(work, 25),
  static: (work) => quantizeStatic(CACHE, work, 1),
  dynamic: (work) => quantizeDynamic(CACHE, work),
  accuracy: (work) => accuracy(DATA, work),
};

const asked = process.argv.slice(2);
const unknown = asked.filter((question) => !Object.hasOwn(QUESTIONS, question));
if (unknown.length > 0) {
  throw new Error(`no such question: ${unknown.join(', ')}; there are: ${Object.keys(QUESTIONS).join(', ')}`);
}

const work = mkdtempSync(path.join(tmpdir(), 'slipway-bench-'));
try {
  const results = (existsSync(RESULTS) ? JSON.parse(readFileSync(RESULTS, 'utf8')) : {}) as Record<string, unknown>;
  for (const [question, answer] of Object.entries(QUESTIONS)) {
    if (asked.length > 0 && !asked.includes(question)) continue;
    console.log(`\n${question}`);
    // The load before the measurement: its own would say nothing.
    const on = machine();
    results[question] = { machine: on, result: await answer(work) };
    writeFileSync(RESULTS, `${JSON.stringify(results, null, 2)}\n`);
  }
} finally {
  rmSync(work, { recursive: true });
}
