/** Runs one target on its corpus and on inputs made from it; collects what it should not have done. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { mutate, Random } from './mutate.ts';
import type { Target } from './targets.ts';

const CORPUS = path.join(import.meta.dirname, '../../../../../tests/fuzz/corpus');

export interface Finding {
  readonly target: string;
  /** The input, which belongs in the corpus once it is repaired. */
  readonly input: Buffer;
  readonly problem: string;
}

/** An input of 64 KiB may take so long; nothing is quadratic. */
const SLOW_MS = 2000;

export function readCorpus(folder: string): Buffer[] {
  const directory = path.join(CORPUS, folder);
  if (!existsSync(directory)) return [];
  return readdirSync(directory)
    .sort()
    .map((name) => readFileSync(path.join(directory, name)));
}

/** @returns null when it did what it may */
async function tryInput(target: Target, input: Buffer): Promise<Finding | null> {
  const started = performance.now();
  try {
    await target.run(input);
  } catch (thrown) {
    const problem = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
    return { target: target.name, input, problem };
  }
  const took = performance.now() - started;
  return took > SLOW_MS ? { target: target.name, input, problem: `took ${Math.round(took)} ms` } : null;
}

/**
 * @param more asked before each input whether there is to be another
 * @returns how many inputs were tried, and the first finding of each kind
 */
export async function fuzz(
  target: Target,
  seed: number,
  more: (tried: number) => boolean,
): Promise<{ tried: number; findings: readonly Finding[] }> {
  const corpus = readCorpus(target.corpus);
  if (corpus.length === 0) throw new Error(`there is no corpus ${target.corpus}`);
  const findings = new Map<string, Finding>();
  const random = new Random(seed);
  let tried = 0;
  const run = async (input: Buffer): Promise<void> => {
    tried++;
    const finding = await tryInput(target, input);
    if (finding === null) return;
    const kind = finding.problem.split('\n').slice(0, 2).join().replaceAll(/\d+/g, '#');
    if (!findings.has(kind)) findings.set(kind, finding);
  };
  for (const input of corpus) await run(input);
  while (more(tried)) await run(mutate(corpus, random));
  await target.close?.();
  return { tried, findings: [...findings.values()] };
}
