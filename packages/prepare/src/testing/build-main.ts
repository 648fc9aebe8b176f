/** A build in a process of its own, for tests that end it: `node build-main.ts DIRECTORY [STAGE]`; at STAGE it kills itself. */
import path from 'node:path';
import { compileConfig, prune } from '@slipway/core';
import { build } from '../pipeline/build.ts';

const [directory = '', stage] = process.argv.slice(2);
const config = compileConfig(
  {
    name: 'tiny',
    source: 'model.onnx',
    data: { evaluation: 'evaluation.npz' },
    recipe: [prune.magnitude({ rule: 'ratio', ratio: 0.5 })],
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
