/**
 * Which values occur: the range of each tensor over the calibration rows, as the chosen method sees it.
 *
 * The model computes them itself, with a ReduceMin and a ReduceMax per tensor as its only outputs, so that what leaves
 * the runner per batch is three numbers per tensor and memory stays constant however many rows there are. The third is the sum
 * of |x|: whatever a minimum does with NaN on some CPU, a sum shows it.
 */
import path from 'node:path';
import {
  type CalibrationMethod,
  type CalibrationSpec,
  type Dataset,
  fail,
  fixedBatch,
  type PassName,
  rowsOf,
  type Tensors,
} from '@slipway/core';
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
import { listNames, plural } from '../describe.ts';

export interface Range {
  readonly min: number;
  readonly max: number;
}

/** Rows per call where the model leaves the choice: enough to amortize a call, few enough for any memory. */
const ROWS_PER_CALL = 16;

const STATISTICS = ['ReduceMin', 'ReduceMax', 'ReduceL1'] as const;

export interface CalibrationOptions {
  /** As the config says it. Default `minmax`. */
  readonly method: CalibrationSpec | undefined;
  /** How many values the quantized type has: 256 in 8 bits. */
  readonly levels: number;
  /** Zero is the middle of the quantized range. */
  readonly symmetric: boolean;
}

export interface Calibration {
  readonly ranges: ReadonlyMap<string, Range>;
  readonly rows: number;
  /** How the ranges were found and what was odd about the rows: one sentence each. */
  readonly notes: readonly string[];
}

/** @throws PASS_NOT_APPLICABLE when there is no data, or a tensor takes values that are not finite */
export async function calibrate(
  pass: PassName,
  model: Model,
  tensors: readonly string[],
  options: CalibrationOptions,
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

  const method = methodOf(options.method);
  const size = rowsPerCall(pass, calibration);
  const found = new Map<string, Range>();
  let row = 0;
  let call = 0;
  for await (const outputs of context.runModel(file, calls(calibration, size), { optimization: 'basic' })) {
    context.signal.throwIfAborted();
    const next = Math.min(row + size, calibration.rowCount);
    const weight = method.method === 'ema' ? weightOfCall(call, method.momentum ?? DEFAULT_MOMENTUM) : null;
    for (const tensor of tensors) {
      const [min = NaN, max = NaN, magnitude = NaN] = (names.get(tensor) ?? []).map((name) => scalar(outputs, name));
      if (!Number.isFinite(magnitude)) {
        const kind = Number.isNaN(magnitude) ? 'NaN' : 'infinite';
        const where = `calibration rows ${calibration.firstRow + row} to ${calibration.firstRow + next - 1}`;
        const problem = `the tensor "${tensor}" is ${kind} for ${where}; exclude the nodes that compute with it, or remove the rows`;
        throw fail('PASS_NOT_APPLICABLE', { pass, problem });
      }
      const known = found.get(tensor) ?? { min, max };
      found.set(tensor, weight === null ? union(known, { min, max }) : between(known, { min, max }, weight));
    }
    row = next;
    call++;
  }
  return { ranges: found, rows: row, notes: describe(method, found, row) };
}

const methodOf = (spec: CalibrationSpec = 'minmax'): CalibrationMethod =>
  typeof spec === 'string' ? { method: spec } : spec;

/** What ONNX Runtime and PyTorch use. */
const DEFAULT_MOMENTUM = 0.01;

/**
 * How much call `call` (from 0) moves the average: c / (1 − (1 − c)^(call + 1)). The plain exponential average would start
 * at the first call and, with the few calls that calibration has, stay there; so corrected it is their weighted mean
 * from the first on, and the same as the plain one after many.
 */
const weightOfCall = (call: number, momentum: number): number => momentum / (1 - (1 - momentum) ** (call + 1));

const union = (a: Range, b: Range): Range => ({ min: Math.min(a.min, b.min), max: Math.max(a.max, b.max) });

const between = (a: Range, b: Range, weight: number): Range => ({
  min: a.min + weight * (b.min - a.min),
  max: a.max + weight * (b.max - a.max),
});

function describe({ method }: CalibrationMethod, ranges: ReadonlyMap<string, Range>, rows: number): string[] {
  const how =
    method === 'ema' ? 'moving averages of the smallest and largest values' : 'the smallest and largest values';
  const notes = [`Ranges of ${plural(ranges.size, 'tensor')} are ${how} of ${plural(rows, 'calibration row')}.`];
  const dead = [...ranges].filter(([, { min, max }]) => min === max).map(([tensor]) => tensor);
  if (dead.length > 0) {
    notes.push(`Constant over all calibration rows, which may mean that the rows are not typical: ${listNames(dead)}.`);
  }
  return notes;
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
