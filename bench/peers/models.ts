/** The models under load, and what one request of each looks like. Small ones are built here, so that nothing is downloaded. */
import { existsSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import type { Tensor, Tensors } from '@slipway/core';
import {
  createNode,
  encoderModel,
  initializerOf,
  mlpModel,
  type Model,
  oneWeightModel,
  withModel,
  writeModelFile,
} from '@slipway/onnx';

export interface Subject {
  readonly name: string;
  readonly file: string;
  readonly input: string;
  readonly output: string;
  readonly tensor: Tensor;
  /** Elements of one output row, without the batch axis. */
  readonly outputShape: readonly number[];
  /** False when the model takes exactly one row. */
  readonly stackable: boolean;
  /** Worth more than one runner: a call takes milliseconds, and two cores can work at two. */
  readonly heavy: boolean;
}

const SEQUENCE = 64;

/** BERT-mini: 4 layers of 256, without a mask and segments, so that there is one input. */
function miniEncoder(): Model {
  const model = encoderModel({
    layers: 4,
    hidden: 256,
    heads: 4,
    intermediate: 1024,
    vocabulary: 8000,
    maxPositions: SEQUENCE,
  });
  const { graph } = model;
  const derived = [
    createNode('Sub', ['input_ids', 'input_ids'], ['token_type_ids']),
    createNode('Equal', ['input_ids', 'input_ids'], ['counts']),
    createNode('Where', ['counts', 'one', 'token_type_ids'], ['attention_mask']),
  ];
  const [ids] = graph.inputs;
  if (ids === undefined) throw new Error('the encoder has no inputs');
  const one = initializerOf('one', { dtype: 'int64', shape: [1], data: BigInt64Array.of(1n) });
  return withModel(model, {
    graph: {
      ...graph,
      inputs: [ids],
      nodes: [...derived, ...graph.nodes],
      initializers: new Map([...graph.initializers, [one.name, one]]),
    },
  });
}

/** Deterministic values with four decimals, as people send them: 784 of them in 5.3 KB. */
const ramp = (count: number): Float32Array =>
  Float32Array.from({ length: count }, (_, i) => Math.round((((i * 37) % 256) / 256) * 1e4) / 1e4);

export async function subjects(cache: string, shared: string): Promise<Subject[]> {
  mkdirSync(cache, { recursive: true });
  const built = async (name: string, model: () => Model): Promise<string> => {
    const file = path.join(cache, `${name}.onnx`);
    if (!existsSync(file)) await writeModelFile(file, model());
    return file;
  };
  const squeezenet = path.join(shared, 'onnx-light/light_squeezenet.onnx');
  return [
    {
      name: 'tiny',
      file: await built('one', oneWeightModel),
      input: 'x',
      output: 'y',
      tensor: { dtype: 'float32', shape: [1, 1], data: Float32Array.of(1.5) },
      outputShape: [1],
      stackable: true,
      heavy: false,
    },
    {
      name: 'mlp',
      file: await built('mlp', mlpModel),
      input: 'x',
      output: 'y',
      tensor: { dtype: 'float32', shape: [1, 784], data: ramp(784) },
      outputShape: [10],
      stackable: true,
      heavy: false,
    },
    {
      name: 'encoder',
      file: await built('encoder-mini', miniEncoder),
      input: 'input_ids',
      output: 'logits',
      tensor: {
        dtype: 'int64',
        shape: [1, SEQUENCE],
        data: BigInt64Array.from({ length: SEQUENCE }, (_, i) => BigInt((i * 7919) % 8000)),
      },
      outputShape: [2],
      stackable: true,
      heavy: true,
    },
    {
      name: 'squeezenet',
      file: squeezenet,
      input: 'data_0',
      output: 'softmaxout_1',
      tensor: { dtype: 'float32', shape: [1, 3, 224, 224], data: ramp(3 * 224 * 224) },
      outputShape: [1000, 1, 1],
      stackable: false,
      heavy: true,
    },
  ];
}

export interface Body {
  readonly bytes: Buffer;
  readonly headers: Readonly<Record<string, string>>;
}

const DATATYPE: Readonly<Record<string, string>> = { float32: 'FP32', int64: 'INT64' };

/** An inference request of the Open Inference Protocol, as JSON or with the tensor in binary behind its header. */
export function requestBody({ input, tensor }: Subject, kind: 'json' | 'binary'): Body {
  const head = { name: input, shape: tensor.shape, datatype: DATATYPE[tensor.dtype] };
  const data = tensor.data as Float32Array | BigInt64Array;
  if (kind === 'json') {
    const text = JSON.stringify({
      inputs: [{ ...head, data: Array.from(data as ArrayLike<number | bigint>, shortest) }],
    });
    return { bytes: Buffer.from(text), headers: { 'content-type': 'application/json' } };
  }
  const raw = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const header = Buffer.from(
    JSON.stringify({
      inputs: [{ ...head, parameters: { binary_data_size: raw.length } }],
      parameters: { binary_data_output: true },
    }),
  );
  return {
    bytes: Buffer.concat([header, raw]),
    headers: { 'content-type': 'application/octet-stream', 'inference-header-content-length': String(header.length) },
  };
}

/** As a person writes it: 0.1445, not the 0.14450000226497650 that is the nearest float32. */
const shortest = (value: number | bigint): number => Number(Number(value).toPrecision(7));

/** The numbers of an answer, whichever way it came. */
export function answeredNumbers(body: Buffer, headers: Headers): number[] {
  const length = headers.get('inference-header-content-length');
  if (length !== null) {
    const raw = body.subarray(Number(length));
    return Array.from({ length: raw.length / 4 }, (_, i) => raw.readFloatLE(i * 4));
  }
  const { outputs } = JSON.parse(body.toString()) as { outputs: { data: number[] }[] };
  return outputs[0]?.data ?? [];
}

export const inputsOf = ({ input, tensor }: Subject): Tensors => ({ [input]: tensor });
