/** Does ONNX Runtime compute a fused transformer faster than it fuses the plain one itself? Ratios of processor time, in one run. */
import path from 'node:path';
import type { Tensors } from '@slipway/core';
import {
  decoderModel,
  encoderModel,
  fuse,
  type Model,
  nodeCount,
  signatureOf,
  simplify,
  upgradeOpset,
  writeModelFile,
} from '@slipway/onnx';
import { openOnnxruntime } from '@slipway/runtime';
import { median } from '../harness/median.ts';

const SIZE = { layers: 4, hidden: 512, heads: 8, intermediate: 1408, vocabulary: 2000 };
const MODELS: Readonly<Record<string, () => Model>> = {
  'decoder, 8 queries to 2 keys': () => decoderModel({ ...SIZE, groups: 2 }),
  'the same, with padding': () => decoderModel({ ...SIZE, groups: 2, padding: true }),
  'decoder, a key per query': () => decoderModel({ ...SIZE, groups: 8 }),
  encoder: () => encoderModel({ ...SIZE, intermediate: 2048 }),
};
/** Rows and tokens. */
const BATCHES = [
  [1, 16],
  [1, 128],
  [4, 128],
] as const;
const FORMS: Readonly<Record<string, (model: Model) => Model>> = {
  source: (model) => model,
  simplify: (model) => simplify(model).model,
  fuse: (model) => fuse(model).model,
  'fuse, from opset 23': (model) => fuse(upgradeOpset(model, 23)).model,
};

interface FuseRow {
  readonly model: string;
  readonly form: string;
  readonly nodes: number;
  /** To load, and to compute each of `BATCHES`: processor time beside that of the source. */
  readonly load: number;
  readonly calls: readonly number[];
}

export interface FuseResult {
  readonly rounds: number;
  readonly batches: typeof BATCHES;
  readonly rows: readonly FuseRow[];
}

function tokens(model: Model, rows: number, length: number): Tensors {
  const count = rows * length;
  return Object.fromEntries(
    signatureOf(model).inputs.map(({ name }) => {
      const value = (index: number): bigint =>
        BigInt(name === 'input_ids' ? (index * 37) % 2000 : name.endsWith('_mask') ? 1 : 0);
      const data = BigInt64Array.from({ length: count }, (_, index) => value(index));
      return [name, { dtype: 'int64', shape: [rows, length], data }];
    }),
  );
}

async function processorMs(work: () => Promise<unknown>): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

/** Forms take turns in every round, so that noise hits all of them. */
export async function fuseAll(work: string, rounds: number): Promise<FuseResult> {
  const engine = await openOnnxruntime();
  const rows: FuseRow[] = [];
  for (const [name, build] of Object.entries(MODELS)) {
    const source = build();
    const load: number[] = [];
    const forms = [];
    for (const [form, change] of Object.entries(FORMS)) {
      const model = change(source);
      const file = path.join(work, `${rows.length}-${forms.length}.onnx`);
      await writeModelFile(file, model);
      let session = await engine.load(file, { threads: 1, spinning: false, optimization: 'all' });
      await session.release();
      load.push(
        await processorMs(async () => {
          session = await engine.load(file, { threads: 1, spinning: false, optimization: 'all' });
        }),
      );
      forms.push({ form, session, nodes: nodeCount(model.graph), times: BATCHES.map((): number[] => []) });
    }
    for (const [index, [count, length]] of BATCHES.entries()) {
      const inputs = tokens(source, count, length);
      for (let round = 0; round <= rounds; round++) {
        for (const { session, times } of forms) {
          const ms = await processorMs(() => session.run(inputs));
          // The first call of a shape makes room for it.
          if (round > 0) times[index]?.push(ms);
        }
      }
    }
    const [plain] = forms;
    for (const [index, { form, session, nodes, times }] of forms.entries()) {
      await session.release();
      const calls = times.map((each, batch) => median(each) / median(plain?.times[batch] ?? []));
      rows.push({ model: name, form, nodes, load: (load[index] ?? NaN) / (load[0] ?? NaN), calls });
      console.log(
        name,
        form,
        nodes,
        (rows.at(-1)?.load ?? NaN).toFixed(2),
        calls.map((ratio) => ratio.toFixed(3)).join(' '),
      );
    }
  }
  return { rounds, batches: BATCHES, rows };
}
