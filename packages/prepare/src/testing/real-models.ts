/**
 * Models that others made, for tests and for the matrix of passes: a convolutional network and a transformer that are trained,
 * and topologies that come without weights. Those get random ones that keep signals alive, so that closeness means
 * something.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';
import {
  columnOf,
  createDataset,
  type Dataset,
  type InputColumns,
  randomStream,
  type Tensor,
  tensor,
  type Tensors,
} from '@slipway/core';
import { initializerOf, type Model, readModelFile, signatureOf, withModel } from '@slipway/onnx';
import { prepared } from '../passes/prepared.ts';
import { readTokens } from './sst2.ts';

export interface RealModel {
  readonly name: string;
  read(): Promise<Model>;
  /** Inputs of one call each. */
  calls(model: Model): readonly Tensors[];
}

const CALLS = 4;

/** @param directory that of the shared data */
export function realModels(directory: string): readonly RealModel[] {
  const light = (name: string): RealModel => ({
    name,
    read: async () => withRandomWeights(await readModelFile(path.join(directory, `onnx-light/light_${name}.onnx`))),
    calls: pictures,
  });
  return [
    {
      name: 'mnist',
      read: () => readModelFile(path.join(directory, 'mnist/mnist.onnx')),
      calls: () => digits(directory),
    },
    {
      name: 'sentiment',
      read: () => readModelFile(path.join(directory, 'sentiment/sentiment.onnx')),
      calls: () => sentences(directory),
    },
    light('squeezenet'),
    light('shufflenet'),
    light('resnet50'),
    light('densenet121'),
  ];
}

/** The calls as rows to calibrate with; they may differ in shape. */
export function rowsOfCalls(model: Model, calls: readonly Tensors[]): Dataset {
  const names = Object.keys(calls[0] ?? {});
  const inputs: InputColumns = Object.fromEntries(
    names.map((name) => [name, columnOf(calls.flatMap((call) => call[name] ?? []))]),
  );
  return createDataset(signatureOf(model), inputs, null, { rowCount: calls.length, firstRow: 0 });
}

export function withRandomWeights(source: Model): Model {
  const { model } = prepared(source);
  const initializers = new Map(model.graph.initializers);
  let seed = 0;
  for (const [name, { dims, dtype }] of initializers) {
    if (dtype !== 'float32' || dims.length < 2) continue;
    const size = dims.reduce((product, dim) => product * dim, 1);
    const bound = Math.sqrt(6 / (size / (dims[0] ?? 1)));
    const random = randomStream(++seed);
    const values = Float32Array.from({ length: size }, () => Math.fround(random() * 2 - 1) * bound);
    initializers.set(name, initializerOf(name, { dtype, shape: dims, data: values }));
  }
  return withModel(model, { graph: Object.freeze({ ...model.graph, initializers }) });
}

function digits(directory: string): Tensors[] {
  const pixels = gunzipSync(readFileSync(path.join(directory, 'mnist/t10k-images-idx3-ubyte.gz'))).subarray(16);
  return Array.from({ length: CALLS }, (_, i) => ({
    Input3: tensor('float32', [1, 1, 28, 28], Float32Array.from(pixels.subarray(i * 784, (i + 1) * 784))),
  }));
}

/** Each as long as it is. */
function sentences(directory: string): Tensors[] {
  return readTokens(directory, 'train', 0, CALLS).map(({ ids }) => {
    const row = (value: (id: number) => number): Tensor =>
      tensor(
        'int64',
        [1, ids.length],
        BigInt64Array.from(ids, (id) => BigInt(value(id))),
      );
    return { input_ids: row((id) => id), segment_ids: row(() => 0), input_mask: row(() => 1) };
  });
}

function pictures(model: Model): Tensors[] {
  const random = randomStream(1);
  return Array.from({ length: CALLS }, () =>
    Object.fromEntries(
      signatureOf(model).inputs.map(({ name, shape }) => {
        const dims = (shape ?? []).map((dim) => (typeof dim === 'number' ? dim : 1));
        const count = dims.reduce((product, dim) => product * dim, 1);
        return [
          name,
          tensor(
            'float32',
            dims,
            Float32Array.from({ length: count }, () => random() * 2 - 1),
          ),
        ];
      }),
    ),
  );
}
