/**
 * `batch.dynamic`: let axis 0 vary in a model that was exported with a fixed batch of one, so that a server can run several
 * requests in one call.
 *
 * What the graph says is only half of it: the result is accepted when several rows in one call give what they give one
 * by one in the model as it was. Otherwise the pass refuses and names the first output that differs.
 */
import path from 'node:path';
import { concatRows, type Dataset, fail, fixedBatch, type PassSpec, rows, rowsOf, type Tensors } from '@slipway/core';
import {
  GraphEditor,
  inferShapes,
  initializerOf,
  isTensorType,
  type Model,
  opsetOf,
  requiredInputs,
  signatureOf,
  tensorType,
  type ValueInfo,
  withModel,
  writeModelFile,
} from '@slipway/onnx';
import { compareTensors } from '@slipway/runtime';
import type { Pass, PassContext } from '../../pass.ts';
import { generateRows } from '../../validate/generated.ts';
import { plural } from '../describe.ts';
import { prepared } from '../prepared.ts';
import { type BatchFlow, followBatch } from './flow.ts';

type Spec = Extract<PassSpec, { pass: 'batch.dynamic' }>;

/** Rows in the comparing call. Odd, and not a size that any model has axes of by accident. */
const ROWS = 3;

/**
 * Sums may be taken in another order when there are more rows; rows that influence each other differ by far more.
 * Relative to the largest value of the output.
 */
const TOLERANCE = 1e-4;

export const batchPass: Pass<Spec> = {
  name: 'batch.dynamic',
  version: 1,

  assess(model) {
    const obstacle = obstacleAtInputs(model) ?? analyse(prepared(model, false).model).obstacle;
    return obstacle === null
      ? {
          applicable: true,
          targets: requiredInputs(model.graph).length,
          summary: 'can let several requests share a call',
        }
      : { applicable: false, targets: 0, summary: obstacle };
  },

  async apply(model, { pass }, context) {
    const refuse = (problem: string): Error => fail('PASS_NOT_APPLICABLE', { pass, problem });
    const atInputs = obstacleAtInputs(model);
    if (atInputs !== null) throw refuse(atInputs);
    const { model: start } = prepared(model, false);
    const flow = analyse(start);
    if (flow.obstacle !== null) throw refuse(flow.obstacle);
    const result = withFreeBatch(start, flow);
    const difference = await compareRows(start, result, context);
    if (difference !== null) throw refuse(`rows influence each other: ${difference}`);
    return {
      model: result,
      notes: [
        `Axis 0 of every input and output may vary; ${plural(flow.rewrites.length, 'Reshape')} followed.`,
        `Verified: ${ROWS} rows in one call give what they give one by one.`,
      ],
    };
  },
};

function obstacleAtInputs(model: Model): string | null {
  const inputs = requiredInputs(model.graph);
  if (inputs.length === 0) return 'the model has no inputs';
  const axes = inputs.map(({ type }) => (isTensorType(type) ? type.shape?.[0] : undefined));
  if (axes.every((axis) => typeof axis === 'string')) return 'axis 0 of every input may vary already';
  const odd = inputs.find((_, index) => axes[index] !== 1);
  return odd === undefined ? null : `axis 0 of the input "${odd.name}" is not 1`;
}

function analyse(model: Model): BatchFlow {
  const types = inferShapes(model).values;
  return followBatch(
    model.graph,
    requiredInputs(model.graph).map(({ name }) => name),
    opsetOf(model),
    (name) => {
      const type = types.get(name);
      return isTensorType(type) ? type.shape : null;
    },
  );
}

function withFreeBatch(model: Model, { rewrites }: BatchFlow): Model {
  const editor = new GraphEditor(model.graph);
  const symbol = freeSymbol(model);
  for (const { node, shape } of rewrites) {
    const old = node.inputs[1] ?? '';
    const name = editor.uniqueName(`${old}_batch`);
    editor.setInitializer(
      initializerOf(name, { dtype: 'int64', shape: [shape.length], data: BigInt64Array.from(shape, BigInt) }),
    );
    editor.update(node, { inputs: [node.inputs[0] ?? '', name] });
    if (editor.consumers(old).length === 0) editor.removeInitializer(old);
  }
  const free = (info: ValueInfo): ValueInfo => {
    if (!isTensorType(info.type) || info.type.shape === null) return info;
    return Object.freeze({ ...info, type: tensorType(info.type.dtype, [symbol, ...info.type.shape.slice(1)]) });
  };
  editor.setInputs(editor.inputs.map(free));
  editor.setOutputs(editor.outputs.map(free));
  // What the file notes about values in between was true for a batch of one.
  for (const name of model.graph.valueInfo.keys()) editor.setType(name, null);
  return withModel(model, { graph: editor.finish() });
}

/** `batch`, unless a dimension of another meaning has that name. */
function freeSymbol(model: Model): string {
  const { inputs, outputs } = model.graph;
  const taken = new Set(
    [...inputs, ...outputs].flatMap(({ type }) =>
      isTensorType(type) ? (type.shape ?? []).filter((dim) => typeof dim === 'string') : [],
    ),
  );
  let symbol = 'batch';
  for (let suffix = 1; taken.has(symbol); suffix++) symbol = `batch_${suffix}`;
  return symbol;
}

/** The first difference between rows one by one and rows together, in words, or null. */
async function compareRows(before: Model, after: Model, context: PassContext): Promise<string | null> {
  const single = Array.from({ length: ROWS }, (_, row) => rowsOf(sampleRows(before, context), row, row + 1));
  const names = Object.keys(single[0] ?? {});
  const together: Tensors = Object.fromEntries(
    names.map((name) => [name, concatRows(single.flatMap((inputs) => inputs[name] ?? []))]),
  );
  const expected = await run(before, 'before.onnx', single, context);
  const [actual] = await run(after, 'after.onnx', [together], context);
  for (const [index, outputs] of expected.entries()) {
    for (const [name, value] of Object.entries(outputs)) {
      const stacked = actual?.[name];
      if (stacked?.shape[0] !== ROWS) {
        return `output "${name}" has shape [${stacked?.shape.join(', ') ?? ''}] for ${ROWS} rows`;
      }
      let largest = 0;
      if (value.dtype === 'float32' || value.dtype === 'float64') {
        for (const each of value.data) largest = Math.max(largest, Math.abs(each));
      }
      const tolerance = { absolute: TOLERANCE * (Number.isFinite(largest) ? largest : 1), relative: TOLERANCE };
      const difference = compareTensors(rows(stacked, index, index + 1), value, tolerance);
      if (difference !== null) return `output "${name}" of row ${index}: ${difference.problem}`;
    }
  }
  return null;
}

async function run(model: Model, name: string, batches: readonly Tensors[], context: PassContext): Promise<Tensors[]> {
  const file = path.join(context.workDirectory, name);
  await writeModelFile(file, model);
  const outputs: Tensors[] = [];
  for await (const each of context.runModel(file, batches)) {
    context.signal.throwIfAborted();
    outputs.push(each);
  }
  return outputs;
}

/** Rows to compare with: real ones where there are enough, generated ones otherwise. */
function sampleRows(model: Model, { calibration, seed }: PassContext): Dataset {
  if (
    calibration !== null &&
    calibration.rowCount >= ROWS &&
    !calibration.isRagged &&
    fixedBatch(calibration.signature) === 1
  ) {
    return calibration;
  }
  return generateRows(signatureOf(model), ROWS, seed);
}
