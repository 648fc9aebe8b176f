/**
 * Which values occur: the smallest and largest element of each tensor over the calibration rows.
 *
 * The model computes them itself, with a ReduceMin and a ReduceMax per tensor as its only outputs, so that what leaves
 * the runner per batch is three numbers per tensor and memory stays constant however many rows there are. The third is the sum
 * of |x|: whatever a minimum does with NaN on some CPU, a sum shows it.
 */
import path from 'node:path';
import { type Dataset, fail, fixedBatch, type PassName, rowsOf, type Tensors } from '@slipway/core';
import {
  createNode,
  GraphEditor,
  intAttribute,
  type Model,
  tensorInfo,
  withModel,
  writeModelFile,
} from '@slipway/onnx';
import type { PassContext } from '../../pass.ts';

export interface Range {
  readonly min: number;
  readonly max: number;
}

/** Rows per call where the model leaves the choice: enough to amortize a call, few enough for any memory. */
const ROWS_PER_CALL = 16;

const STATISTICS = ['ReduceMin', 'ReduceMax', 'ReduceL1'] as const;

export interface Calibration {
  readonly ranges: ReadonlyMap<string, Range>;
  readonly rows: number;
}

/** @throws PASS_NOT_APPLICABLE when there is no data, or a tensor takes values that are not finite */
export async function calibrate(
  pass: PassName,
  model: Model,
  tensors: readonly string[],
  context: PassContext,
): Promise<Calibration> {
  const { calibration } = context;
  if (calibration === null) {
    const problem =
      'it needs calibration data: give `data.calibration` in the config 100 to 200 typical rows that are not evaluation rows';
    throw fail('PASS_NOT_APPLICABLE', { pass, problem });
  }
  const file = path.join(context.workDirectory, 'calibrate.onnx');
  const { model: augmented, names } = withStatistics(model, tensors);
  await writeModelFile(file, augmented);

  const size = rowsPerCall(pass, calibration);
  const found = new Map<string, { min: number; max: number }>();
  let row = 0;
  for await (const outputs of context.runModel(file, calls(calibration, size), { optimization: 'basic' })) {
    context.signal.throwIfAborted();
    const next = Math.min(row + size, calibration.rowCount);
    for (const tensor of tensors) {
      const [min = NaN, max = NaN, magnitude = NaN] = (names.get(tensor) ?? []).map((name) => scalar(outputs, name));
      if (!Number.isFinite(magnitude)) {
        const kind = Number.isNaN(magnitude) ? 'NaN' : 'infinite';
        const where = `calibration rows ${calibration.firstRow + row} to ${calibration.firstRow + next - 1}`;
        const problem = `the tensor "${tensor}" is ${kind} for ${where}; exclude the nodes that compute with it, or remove the rows`;
        throw fail('PASS_NOT_APPLICABLE', { pass, problem });
      }
      const known = found.get(tensor) ?? { min: Infinity, max: -Infinity };
      found.set(tensor, { min: Math.min(known.min, min), max: Math.max(known.max, max) });
    }
    row = next;
  }
  return { ranges: found, rows: row };
}

function withStatistics(
  model: Model,
  tensors: readonly string[],
): { readonly model: Model; readonly names: ReadonlyMap<string, readonly string[]> } {
  const editor = new GraphEditor(model.graph);
  const names = new Map<string, readonly string[]>();
  const attributes = [intAttribute('keepdims', 0)];
  for (const tensor of tensors) {
    const outputs = STATISTICS.map((op) => {
      const output = editor.uniqueName(`${tensor}_${op}`);
      editor.append(createNode(op, [tensor], [output], { name: editor.uniqueNodeName(output), attributes }));
      return output;
    });
    names.set(tensor, outputs);
  }
  editor.setOutputs([...names.values()].flat().map((name) => tensorInfo(name, 'float32', [])));
  return { model: withModel(model, { graph: editor.finish() }), names };
}

function rowsPerCall(pass: PassName, { signature, rowCount }: Dataset): number {
  const size = fixedBatch(signature) ?? ROWS_PER_CALL;
  const enough = size > 0 && rowCount >= (fixedBatch(signature) ?? 1);
  if (enough) return size;
  const problem = `the model takes ${size} rows per call and there are ${rowCount} calibration rows`;
  throw fail('PASS_NOT_APPLICABLE', { pass, problem });
}

/** Every row, in order; of a model that takes exactly n rows per call, all that fill a call. */
function* calls(calibration: Dataset, size: number): Generator<Tensors> {
  const isFixed = fixedBatch(calibration.signature) !== null;
  const end = isFixed ? calibration.rowCount - (calibration.rowCount % size) : calibration.rowCount;
  for (let row = 0; row < end; row += size) yield rowsOf(calibration, row, Math.min(end, row + size));
}

function scalar(outputs: Tensors, name: string): number | undefined {
  const value = outputs[name];
  return value?.dtype === 'float32' ? value.data[0] : undefined;
}
