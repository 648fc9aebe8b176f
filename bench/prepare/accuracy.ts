/** What int8 costs in accuracy and buys in size, ours beside theirs, on data neither was calibrated with. */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';
import { type PassSpec, type Tensor, type Tensors, writeNpz } from '@slipway/core';
import { openOnnxruntime } from '@slipway/runtime';
import { quantize, rounded, type Tool } from './quantize.ts';
import { readSentences } from './sst2.ts';

export interface AccuracyRow {
  readonly model: string;
  readonly tool: Tool | 'float';
  readonly scheme: string;
  readonly correct: number;
  readonly of: number;
  readonly percent: number;
  readonly resultMB: number;
  /** Why there is no result: what the tool said. */
  readonly error?: string;
}

interface Labelled {
  readonly inputs: Tensors;
  readonly labels: ArrayLike<number>;
}

interface Task {
  readonly model: string;
  readonly file: string;
  readonly calibration: Tensors;
  readonly heldOut: Labelled;
  /** What the model takes at once. */
  readonly rowsPerCall: number;
}

const SCHEMES: readonly {
  readonly name: string;
  readonly pass: 'quantize.static' | 'quantize.dynamic';
  readonly perChannel: boolean;
}[] = [
  { name: 'static int8, per channel', pass: 'quantize.static', perChannel: true },
  { name: 'static int8, per tensor', pass: 'quantize.static', perChannel: false },
  { name: 'dynamic int8, per channel', pass: 'quantize.dynamic', perChannel: true },
];

export async function accuracy(data: string, work: string): Promise<AccuracyRow[]> {
  const rows: AccuracyRow[] = [];
  const tell = (row: AccuracyRow): void => {
    rows.push(row);
    console.log(`${row.model}, ${row.scheme}, ${row.tool}: ${row.error ?? `${row.percent} %, ${row.resultMB} MB`}`);
  };
  for (const task of [digits(data), sentiment(data)]) {
    const { model, file } = task;
    const of = task.heldOut.labels.length;
    const correct = await countCorrect(file, task);
    const size = rounded(readFileSync(file).length / 1e6);
    tell({ model, tool: 'float', scheme: 'float32', correct, of, percent: percent(correct, of), resultMB: size });
    const calibration = path.join(work, 'calibration.npz');
    writeFileSync(calibration, writeNpz(Object.entries(task.calibration)));
    for (const { name, pass, perChannel } of SCHEMES) {
      for (const tool of ['slipway', 'onnxruntime'] as const) {
        const directory = path.join(work, 'accuracy');
        const spec = { pass } satisfies PassSpec;
        const base = { model, tool, scheme: name, of };
        try {
          const run = await quantize(tool, { source: file, spec, calibration, perChannel }, directory);
          const right = await countCorrect(path.join(directory, 'model.onnx'), task);
          tell({ ...base, correct: right, percent: percent(right, of), resultMB: run.resultMB });
        } catch (error) {
          const problem = error instanceof Error ? error.message : String(error);
          tell({ ...base, correct: 0, percent: NaN, resultMB: NaN, error: problem.replaceAll(work, '').slice(0, 200) });
        }
      }
    }
  }
  return rows;
}

const percent = (correct: number, of: number): number => rounded((100 * correct) / of);

/** Images 0 to 199 to calibrate, 1,000 to 9,999 to judge. */
function digits(data: string): Task {
  const pixels = gunzipSync(readFileSync(path.join(data, 'mnist/t10k-images-idx3-ubyte.gz'))).subarray(16);
  const labels = gunzipSync(readFileSync(path.join(data, 'mnist/t10k-labels-idx1-ubyte.gz'))).subarray(8);
  const images = (from: number, to: number): Tensors => ({
    Input3: {
      dtype: 'float32',
      shape: [to - from, 1, 28, 28],
      data: Float32Array.from(pixels.subarray(from * 784, to * 784)),
    },
  });
  return {
    model: 'mnist',
    file: path.join(data, 'mnist/mnist.onnx'),
    calibration: images(0, 200),
    heldOut: { inputs: images(1000, 10_000), labels: labels.subarray(1000) },
    rowsPerCall: 1,
  };
}

/** 200 training sentences to calibrate, all 872 development sentences to judge. */
function sentiment(data: string): Task {
  return {
    model: 'sentiment',
    file: path.join(data, 'sentiment/sentiment.onnx'),
    calibration: readSentences(data, 'train', 200).inputs,
    heldOut: readSentences(data, 'dev'),
    // Dynamic quantization takes one range for all rows of a call.
    rowsPerCall: 1,
  };
}

async function countCorrect(file: string, { heldOut, rowsPerCall }: Task): Promise<number> {
  const session = await (await openOnnxruntime()).load(file, { threads: 1, spinning: false, optimization: 'all' });
  const { inputs, labels } = heldOut;
  let correct = 0;
  for (let row = 0; row < labels.length; row += rowsPerCall) {
    const [scores] = Object.values(await session.run(slice(inputs, row, row + rowsPerCall)));
    const classes = scores?.shape.at(-1) ?? 0;
    const values = scores?.data as Float32Array;
    for (let at = 0; at < rowsPerCall; at++) {
      const own = values.subarray(at * classes, (at + 1) * classes);
      if (own.indexOf(Math.max(...own)) === labels[row + at]) correct++;
    }
  }
  await session.release();
  return correct;
}

function slice(inputs: Tensors, from: number, to: number): Tensors {
  return Object.fromEntries(
    Object.entries(inputs).map(([name, tensor]): [string, Tensor] => {
      const [, ...rest] = tensor.shape;
      const width = rest.reduce((product, dim) => product * dim, 1);
      const data = (tensor.data as Float32Array).slice(from * width, to * width);
      return [name, { ...tensor, shape: [to - from, ...rest], data } as Tensor];
    }),
  );
}
