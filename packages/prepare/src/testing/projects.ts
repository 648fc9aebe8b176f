/** Small real projects on disk: a linear classifier of four numbers into three classes, and rows with their answers. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Config, randomStream, tensor, type UserConfig, writeNpz } from '@slipway/core';
import { compileConfig } from '@slipway/core/schemas';
import { buildModel, writeModelFile } from '@slipway/onnx';

export interface Project {
  readonly directory: string;
  readonly config: (change?: Partial<UserConfig>) => Config;
  readonly remove: () => void;
}

const FEATURES = 16;
const CLASSES = 3;

/** @param axis0 the first dimension of the model: a name for any number of rows, or a fixed number */
export async function makeProject(axis0: string | number = 'rows'): Promise<Project> {
  const directory = mkdtempSync(path.join(tmpdir(), 'slipway-prepare-'));
  const random = randomStream(5);
  const weights = Float32Array.from({ length: FEATURES * CLASSES }, () => random() * 2 - 1);
  const model = buildModel((b) => {
    const x = b.input('x', 'float32', [axis0, FEATURES]);
    const w = b.floats('w', [FEATURES, CLASSES], weights);
    b.output(b.op('MatMul', [x, w], { outputs: ['scores'] }), 'float32', [axis0, CLASSES]);
  });
  await writeModelFile(path.join(directory, 'model.onnx'), model);
  const rows = (count: number): { x: Float32Array; labels: BigInt64Array } => {
    const x = Float32Array.from({ length: count * FEATURES }, () => random() * 2 - 1);
    const labels = BigInt64Array.from({ length: count }, (_, row) => BigInt(answer(x, weights, row)));
    return { x, labels };
  };
  for (const [name, count] of [
    ['calibration', 40],
    ['evaluation', 200],
  ] as const) {
    const { x, labels } = rows(count);
    // Every tenth answer is wrong, so that the accuracy is not one.
    for (let row = 0; row < count; row += 10) labels[row] = ((labels[row] ?? 0n) + 1n) % BigInt(CLASSES);
    const arrays = [
      ['x', tensor('float32', [count, FEATURES], x)],
      ['labels', tensor('int64', [count], labels)],
    ] as const;
    writeFileSync(path.join(directory, `${name}.npz`), writeNpz(arrays));
  }
  return {
    directory,
    config: (change = {}) =>
      compileConfig(
        {
          name: 'tiny',
          source: 'model.onnx',
          data: { evaluation: 'evaluation.npz' },
          objective: 'size',
          measure: { iterations: 10, warmup: 0, threads: 1 },
          ...change,
        },
        path.join(directory, 'slipway.config.ts'),
      ),
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}

function answer(x: Float32Array, weights: Float32Array, row: number): number {
  const scores = Array.from({ length: CLASSES }, (_, column) => {
    let sum = 0;
    for (let i = 0; i < FEATURES; i++) sum += (x[row * FEATURES + i] ?? 0) * (weights[i * CLASSES + column] ?? 0);
    return sum;
  });
  return scores.indexOf(Math.max(...scores));
}
