/**
 * `npm run fuzz -- --minutes 10 [--target json] [--seed 1]`: the long mode. What it finds is written to a file each, to be repaired and then put
 * into the corpus; the exit status says whether there was any.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { httpTarget } from './http-target.ts';
import { fuzz } from './run.ts';
import { TARGETS } from './targets.ts';

const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '1' }, target: { type: 'string' }, seed: { type: 'string' } },
});
const minutes = Number(values.minutes);
const seed = Number(values.seed ?? Date.now() % 2 ** 31);
const all = [...TARGETS, httpTarget()];
const targets = all.filter(({ name }) => values.target === undefined || values.target === name);
if (!(minutes > 0) || !Number.isSafeInteger(seed) || targets.length === 0) {
  process.stderr.write(
    `--minutes must be a number above 0, --seed a whole number, --target one of ${all.map(({ name }) => name).join(', ')}\n`,
  );
  process.exit(2);
}
const directory = path.join(tmpdir(), `slipway-fuzz-${seed}`);
const share = (minutes * 60_000) / targets.length;
let found = 0;
for (const target of targets) {
  const until = performance.now() + share;
  const { tried, findings } = await fuzz(target, seed, () => performance.now() < until);
  process.stdout.write(`${target.name}: ${tried} inputs, ${findings.length} findings (seed ${seed})\n`);
  for (const { input, problem } of findings) {
    mkdirSync(directory, { recursive: true });
    const file = path.join(directory, `${target.name}-${++found}`);
    writeFileSync(file, input);
    process.stdout.write(`  ${file}\n  ${problem.split('\n').slice(0, 6).join('\n  ')}\n`);
  }
}
process.exitCode = found === 0 ? 0 : 1;
