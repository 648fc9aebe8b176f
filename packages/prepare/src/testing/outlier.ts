/**
 * A project whose model loses its answers when all of it is quantized, and keeps them when one layer is left alone: the
 * first layer writes one channel a thousand times larger than the others, and the second reads what the answer depends on from the
 * small ones. One scale per tensor of activations then rounds everything that matters to zero, in that layer only.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { randomStream, tensor, writeNpz } from '@slipway/core';
import { compileConfig } from '@slipway/core/schemas';
import { buildModel, writeModelFile } from '@slipway/onnx';
import type { Project } from './projects.ts';

const FEATURES = 16;
const HIDDEN = 32;
const CLASSES = 4;
const OUTLIER = 1000;

/** Layers `first`, `second`, `third`; the input of `second` has the outlier channel. */
export async function makeOutlierProject(): Promise<Project> {
  const directory = mkdtempSync(path.join(tmpdir(), 'slipway-outlier-'));
  const random = randomStream(9);
  const uniform = (count: number, scale = 1): Float32Array =>
    Float32Array.from({ length: count }, () => scale * (random() * 2 - 1));
  const first = uniform(FEATURES * HIDDEN);
  for (let row = 0; row < FEATURES; row++) first[row * HIDDEN] = (first[row * HIDDEN] ?? 0) * OUTLIER;
  const second = uniform(HIDDEN * HIDDEN);
  // Nothing that counts is read from the outlier.
  second.fill(0, 0, HIDDEN);
  const third = uniform(HIDDEN * CLASSES);
  const model = buildModel((b) => {
    const x = b.input('x', 'float32', ['rows', FEATURES]);
    const layer = (input: string, name: string, weights: Float32Array, shape: [number, number]): string =>
      b.op('MatMul', [input, b.floats(`${name}.weight`, shape, weights)], { name, outputs: [`${name}.out`] });
    const hidden = layer(x, 'first', first, [FEATURES, HIDDEN]);
    const mixed = b.op('Relu', [layer(hidden, 'second', second, [HIDDEN, HIDDEN])], { name: 'relu' });
    b.output(layer(mixed, 'third', third, [HIDDEN, CLASSES]), 'float32', ['rows', CLASSES]);
  });
  await writeModelFile(path.join(directory, 'model.onnx'), model);
  for (const [name, count] of [
    ['calibration', 64],
    ['evaluation', 600],
  ] as const) {
    const x = uniform(count * FEATURES);
    const labels = BigInt64Array.from({ length: count }, (_, row) => BigInt(answer(x, row, [first, second, third])));
    writeFileSync(
      path.join(directory, `${name}.npz`),
      writeNpz([
        ['x', tensor('float32', [count, FEATURES], x)],
        ['labels', tensor('int64', [count], labels)],
      ]),
    );
  }
  return {
    directory,
    config: (change = {}) =>
      compileConfig(
        {
          name: 'outlier',
          source: 'model.onnx',
          data: { calibration: 'calibration.npz', evaluation: 'evaluation.npz' },
          objective: 'size',
          gates: { drop: 0.05 },
          measure: { iterations: 10, warmup: 0, threads: 1 },
          ...change,
        },
        path.join(directory, 'slipway.config.ts'),
      ),
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}

function answer(x: Float32Array, row: number, [first, second, third]: readonly Float32Array[]): number {
  const times = (input: Float32Array, weights: Float32Array | undefined, columns: number): Float32Array =>
    Float32Array.from({ length: columns }, (_, column) =>
      input.reduce((sum, value, i) => sum + value * (weights?.[i * columns + column] ?? 0), 0),
    );
  const hidden = times(x.subarray(row * FEATURES, (row + 1) * FEATURES), first, HIDDEN);
  const mixed = times(hidden, second, HIDDEN).map((value) => Math.max(0, value));
  const scores = times(mixed, third, CLASSES);
  return scores.indexOf(Math.max(...scores));
}
