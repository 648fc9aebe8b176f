/** Static int8 of BERT-base, and dynamic int8 of a model of 3 GB: time, memory, and how far the answers are from float. */
import { existsSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { randomStream, type Tensor, type Tensors, writeNpz } from '@slipway/core';
import { byteLengthOf, encoderModel, type EncoderOptions, readModelFile, writeModelFile } from '@slipway/onnx';
import { openOnnxruntime } from '@slipway/runtime';
import { quantize, rounded, type Run, type Tool } from './quantize.ts';

const TOOLS: readonly Tool[] = ['slipway', 'onnxruntime'];
const VOCABULARY = 30_522;
const SEQUENCE = 128;

/** The shape of BERT-base without a head, so that there are enough outputs to compare: 109 million parameters, 436 MB. */
const BASE: EncoderOptions = { labels: 0 };
/** Six layers of width 3072: 3.1 GB, its largest tensor 375 MB. */
const HUGE: EncoderOptions = { layers: 6, hidden: 3072, heads: 24 };

export interface LargeRow extends Run {
  readonly modelMB: number;
  readonly largestTensorMB: number;
  /** Of all outputs on held-out rows, against the float model; null where it was not run. */
  readonly sqnrDb: number | null;
}

/** Sequences of random tokens, the last eighth padding. */
function sequences(rows: number, seed: number): Tensors {
  const random = randomStream(seed);
  const tensor = (value: (at: number) => number): Tensor => ({
    dtype: 'int64',
    shape: [rows, SEQUENCE],
    data: BigInt64Array.from({ length: rows * SEQUENCE }, (_, index) => BigInt(value(index % SEQUENCE))),
  });
  return {
    input_ids: tensor(() => Math.floor(random() * VOCABULARY)),
    attention_mask: tensor((at) => (at < SEQUENCE - SEQUENCE / 8 ? 1 : 0)),
    token_type_ids: tensor(() => 0),
  };
}

/** The float model of the shape of BERT-base. */
export const bertBase = (cache: string): Promise<string> => modelFile(cache, 'bert-base', BASE);

/** Written once and kept: making it takes longer than quantizing it. */
async function modelFile(directory: string, name: string, options: EncoderOptions): Promise<string> {
  const file = path.join(directory, name, 'model.onnx');
  if (!existsSync(file)) {
    mkdirSync(path.dirname(file), { recursive: true });
    await writeModelFile(file, encoderModel(options));
  }
  return file;
}

/** 10 · log10 of the power of the expected over that of the difference. */
async function sqnr(file: string, expected: readonly Float32Array[], inputs: Tensors): Promise<number> {
  const actual = await compute(file, inputs);
  let [signal, noise] = [0, 0];
  expected.forEach((values, output) => {
    values.forEach((value, index) => {
      signal += value * value;
      noise += (value - (actual[output]?.[index] ?? NaN)) ** 2;
    });
  });
  return rounded(10 * Math.log10(signal / noise));
}

async function compute(file: string, inputs: Tensors): Promise<Float32Array[]> {
  const session = await (await openOnnxruntime()).load(file, { threads: 2, spinning: false, optimization: 'all' });
  const outputs = await session.run(inputs);
  await session.release();
  return Object.values(outputs).map(({ data }) => data as Float32Array);
}

async function sizes(file: string): Promise<{ readonly modelMB: number; readonly largestTensorMB: number }> {
  const tensors = [...(await readModelFile(file)).graph.initializers.values()].map(byteLengthOf);
  const total = tensors.reduce((sum, bytes) => sum + bytes, 0);
  return {
    modelMB: rounded(Math.max(total, statSync(file).size) / 1e6),
    largestTensorMB: rounded(Math.max(...tensors) / 1e6),
  };
}

/** The tools take turns, `rounds` times; of each the round that took least. */
export async function quantizeStatic(cache: string, work: string, rounds: number): Promise<LargeRow[]> {
  const source = await bertBase(cache);
  const calibration = path.join(work, 'calibration.npz');
  writeFileSync(calibration, writeNpz(Object.entries(sequences(32, 1))));
  const heldOut = sequences(4, 2);
  const expected = await compute(source, heldOut);
  const best = new Map<Tool, LargeRow>();
  for (let round = 0; round < rounds; round++) {
    for (const tool of TOOLS) {
      const directory = path.join(work, `static-${tool}`);
      const run = await quantize(tool, { source, calibration, spec: { pass: 'quantize.static' } }, directory);
      const before = best.get(tool);
      const sqnrDb = before?.sqnrDb ?? (await sqnr(path.join(directory, 'model.onnx'), expected, heldOut));
      console.log(`static, ${tool}: ${run.seconds} s, ${run.treePeakMB} MB, ${sqnrDb} dB`);
      if (before === undefined || run.seconds < before.seconds) {
        best.set(tool, { ...run, ...(await sizes(source)), sqnrDb });
      }
    }
  }
  return [...best.values()];
}

export async function quantizeDynamic(cache: string, work: string): Promise<LargeRow[]> {
  const source = await modelFile(cache, 'encoder-3gb', HUGE);
  const rows: LargeRow[] = [];
  for (const tool of TOOLS) {
    const directory = path.join(work, `dynamic-${tool}`);
    const job = { source, calibration: null, spec: { pass: 'quantize.dynamic' }, external: true } as const;
    const run = await quantize(tool, job, directory);
    console.log(`dynamic, ${tool}: ${run.seconds} s, ${run.treePeakMB} MB`);
    rows.push({ ...run, ...(await sizes(source)), sqnrDb: null });
    rmSync(directory, { recursive: true });
  }
  return rows;
}
