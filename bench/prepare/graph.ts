/** How much smaller do graphs get, how fast, and do they still compute the same? */
import { existsSync, statSync } from 'node:fs';
import path from 'node:path';
import type { Tensor, Tensors } from '@slipway/core';
import { type Model, nodeCount, readModelFile, signatureOf, simplify, writeModelFile } from '@slipway/onnx';
import { type Engine, openOnnxruntime } from '@slipway/runtime';
import { median } from '../harness/median.ts';
import { bertBase } from './large.ts';
import { startSimplifiers, type Times } from './peers.ts';

const MODELS = [
  'mnist/mnist.onnx',
  'sentiment/sentiment.onnx',
  'onnx-light/light_squeezenet.onnx',
  'onnx-light/light_shufflenet.onnx',
  'onnx-light/light_resnet50.onnx',
  'onnx-light/light_densenet121.onnx',
];
const TOOLS = ['slipway', 'slipway, any constant', 'onnxslim', 'onnxsim'] as const;

interface GraphRow {
  readonly model: string;
  readonly tool: string;
  readonly nodes: number;
  readonly bytes: number;
  /** The first call for this model, and the median of the others: from file to file. */
  readonly firstMs: number;
  readonly medianMs: number;
  readonly medianCpuMs: number;
  /** Largest difference of an output to that of the original, relative to the largest element. */
  readonly difference: number;
}

function inputsOf(model: Model): Tensors {
  return Object.fromEntries(
    signatureOf(model).inputs.map(({ name, dtype, shape }): [string, Tensor] => {
      const dims = (shape ?? []).map((dim) => (typeof dim === 'number' ? dim : 4));
      const length = dims.reduce((product, dim) => product * dim, 1);
      const token = (index: number): bigint =>
        BigInt(name === 'input_ids' ? (index * 37) % 5000 : name.endsWith('_mask') ? 1 : 0);
      return dtype === 'int64'
        ? [name, { dtype, shape: dims, data: BigInt64Array.from({ length }, (_, index) => token(index)) }]
        : [name, { dtype: 'float32', shape: dims, data: Float32Array.from({ length }, (_, index) => Math.sin(index)) }];
    }),
  );
}

async function compute(engine: Engine, file: string, inputs: Tensors): Promise<Tensors> {
  const session = await engine.load(file, { threads: 1, spinning: false, optimization: 'none' });
  const outputs = await session.run(inputs);
  await session.release();
  return outputs;
}

function difference(actual: Tensors, expected: Tensors): number {
  let worst = 0;
  for (const [name, { data }] of Object.entries(expected)) {
    const other = actual[name]?.data ?? [];
    const numbers = Array.from(data as Float32Array, Number);
    const scale = numbers.reduce((most, value) => Math.max(most, Math.abs(value)), Number.MIN_VALUE);
    numbers.forEach((value, index) => (worst = Math.max(worst, Math.abs(value - Number(other[index])) / scale)));
  }
  return worst;
}

export interface GraphResult {
  readonly rounds: number;
  readonly versions: Readonly<Record<string, string>>;
  readonly rows: readonly GraphRow[];
}

/**
 * @param data the folder of the shared models
 * @param cache where models that were made are kept
 */
export async function simplifyAll(data: string, cache: string, work: string, rounds: number): Promise<GraphResult> {
  const engine = await openOnnxruntime();
  const peers = await startSimplifiers();
  const run = async (tool: (typeof TOOLS)[number], source: string, target: string): Promise<Times> => {
    if (tool === 'onnxslim' || tool === 'onnxsim') return peers.simplify(tool, source, target);
    const [started, cpu] = [performance.now(), process.cpuUsage()];
    const model = await readModelFile(source);
    await writeModelFile(target, simplify(model, tool === 'slipway' ? {} : { maxFoldedBytes: Infinity }).model);
    const { user, system } = process.cpuUsage(cpu);
    return { ms: performance.now() - started, cpuMs: (user + system) / 1000 };
  };
  const rows: GraphRow[] = [];
  try {
    for (const [model, source] of await sources(data, cache)) {
      const original = await readModelFile(source);
      const inputs = inputsOf(original);
      const expected = await compute(engine, source, inputs);
      const times = new Map(TOOLS.map((tool) => [tool, [] as Times[]]));
      const targetOf = (tool: string): string => path.join(work, `${tool.replace(/\W+/g, '-')}.onnx`);
      // In turn, so that a busy moment of the machine meets all of them.
      for (let round = 0; round < rounds; round++) {
        for (const tool of TOOLS) times.get(tool)?.push(await run(tool, source, targetOf(tool)));
      }
      for (const tool of TOOLS) {
        const [first, ...rest] = times.get(tool) ?? [];
        const result = await readModelFile(targetOf(tool));
        rows.push({
          model,
          tool,
          nodes: nodeCount(result.graph),
          bytes: statSync(targetOf(tool)).size,
          firstMs: Math.round(first?.ms ?? NaN),
          medianMs: Math.round(median(rest.map(({ ms }) => ms)) * 10) / 10,
          medianCpuMs: Math.round(median(rest.map(({ cpuMs }) => cpuMs)) * 10) / 10,
          difference: Number(difference(await compute(engine, targetOf(tool), inputs), expected).toPrecision(2)),
        });
      }
      print(model, nodeCount(original.graph), statSync(source).size, rows.slice(-TOOLS.length));
    }
  } finally {
    peers.stop();
  }
  return { rounds, versions: peers.versions, rows };
}

/** Name → file: the shared models, and BERT-base's shape. */
async function sources(data: string, cache: string): Promise<ReadonlyMap<string, string>> {
  const missing = MODELS.filter((model) => !existsSync(path.join(data, model)));
  if (missing.length > 0) throw new Error(`these models are not in ${data}: ${missing.join(', ')}`);
  return new Map([
    ...MODELS.map((model): [string, string] => [model, path.join(data, model)]),
    ['bert-base', await bertBase(cache)],
  ]);
}

function print(model: string, nodes: number, bytes: number, rows: readonly GraphRow[]): void {
  console.log(`\n${model}: ${nodes} nodes, ${bytes} bytes`);
  for (const row of rows) {
    console.log(
      `| ${path.basename(model, '.onnx')} | ${row.tool} | ${row.nodes} | ${row.bytes} | ${row.firstMs} | ${row.medianMs} | ${row.medianCpuMs} | ${row.difference} |`,
    );
  }
}
