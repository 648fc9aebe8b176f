/** `npm run bench [NAME…]`: every folder here that holds a `run.ts` answers one question; run them one after the other. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';

/** Takes most of an hour and installs other people's servers: only when it is asked for. */
const ON_REQUEST = new Set(['peers']);

const wanted = process.argv.slice(2);
const folders = readdirSync(import.meta.dirname).filter((name) =>
  existsSync(path.join(import.meta.dirname, name, 'run.ts')),
);
const chosen =
  wanted.length === 0
    ? folders.filter((name) => !ON_REQUEST.has(name))
    : folders.filter((name) => wanted.includes(name));
if (chosen.length === 0) throw new Error(`no such bench; there are: ${folders.join(', ')}`);
for (const folder of chosen) {
  console.log(`\n== ${folder}`);
  const { status } = spawnSync(process.execPath, [path.join(import.meta.dirname, folder, 'run.ts')], {
    stdio: 'inherit',
  });
  if (status !== 0) process.exitCode = 1;
}
