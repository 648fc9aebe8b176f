/** Runs models in tests and says how far outputs are apart. */
import path from 'node:path';
import { createDataset, type Dataset, randomStream, type Tensor, type Tensors } from '@slipway/core';
import { encodeModel, initializerOf, type Initializer, type Model, signatureOf, writeModelFile } from '@slipway/onnx';
import type { PassContext } from '../../pass.ts';

/** Seeded numbers, uniform in [-1, 1). */
export function uniform(count: number, seed: number): Float32Array {
  const random = randomStream(seed);
  return Float32Array.from({ length: count }, () => random() * 2 - 1);
}

/** Seeded numbers, normally distributed, by Box and Muller. */
export function normal(count: number, seed: number): Float32Array {
  const random = randomStream(seed);
  return Float32Array.from(
    { length: count },
    () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random()),
  );
}

const size = (shape: readonly number[]): number => shape.reduce((product, dim) => product * dim, 1);

export function floats(shape: readonly number[], seed: number): Tensor {
  return { dtype: 'float32', shape, data: uniform(size(shape), seed) };
}

export function floatWeight(name: string, shape: readonly number[], seed: number): Initializer {
  return initializerOf(name, floats(shape, seed));
}

/** Rows for a model whose inputs are stacked along axis 0. */
export function datasetOf(model: Model, inputs: Tensors): Dataset {
  const rowCount = Object.values(inputs)[0]?.shape[0] ?? 0;
  return createDataset(signatureOf(model), inputs, null, { rowCount, firstRow: 0 });
}

export async function runModel(model: Model, inputs: Tensors, context: PassContext): Promise<Tensors> {
  const file = path.join(context.workDirectory, `run-${performance.now()}.onnx`);
  await writeModelFile(file, model);
  for await (const outputs of context.runModel(file, [inputs], { optimization: 'all' })) return outputs;
  throw new Error('the model gave nothing');
}

/** Largest difference between two outputs, relative to the largest expected value. */
export function relativeError(actual: Tensor | undefined, expected: Tensor | undefined): number {
  const want = expected?.data as Float32Array;
  const got = actual?.data as Float32Array;
  if (got.length !== want.length) return Infinity;
  let largest = 0;
  let error = 0;
  want.forEach((value, i) => {
    largest = Math.max(largest, Math.abs(value));
    error = Math.max(error, Math.abs(value - (got[i] ?? NaN)));
  });
  return error / largest;
}

export const bytesOfModel = (model: Model): string => Buffer.from(encodeModel(model)).toString('base64');
