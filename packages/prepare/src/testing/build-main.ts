/**
 * A build in a process of its own, for tests that end it: `node build-main.ts DIRECTORY [STAGE]`; at STAGE it kills itself.
 * A recipe other than one that prunes is read from `recipe.json` in the directory: choices are plain data too.
 */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { prune } from '@slipway/core';
import { compileConfig } from '@slipway/core/schemas';
import { build } from '../pipeline/build.ts';

const [directory = '', stage] = process.argv.slice(2);
const recipeFile = path.join(directory, 'recipe.json');
const recipe: unknown = existsSync(recipeFile)
  ? JSON.parse(readFileSync(recipeFile, 'utf8'))
  : [prune.magnitude({ rule: 'ratio', ratio: 0.5 })];
const config = compileConfig(
  {
    name: 'tiny',
    source: 'model.onnx',
    data: { evaluation: 'evaluation.npz' },
    recipe,
    objective: 'size',
    gates: { drop: 0.9 },
    measure: { iterations: 10, warmup: 0, threads: 1 },
  },
  path.join(directory, 'slipway.config.ts'),
);
const { release } = await build(config, {
  progress: (event) => {
    if (event.stage === stage) process.kill(process.pid, 'SIGKILL');
  },
});
process.stdout.write(release?.digest ?? 'none');
