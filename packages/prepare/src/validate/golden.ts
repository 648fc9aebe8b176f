/**
 * Golden samples: rows of the evaluation data with what the model answered, and the tolerance within which a runner must
 * reproduce them. Samples of one shape are rows of one call; where rows differ in shape, each is a call of its own.
 *
 * The tolerance comes from the model: each row is computed alone and together with others of its shape, and rounding (and, for
 * dynamic quantization, the ranges that rows in a batch share) shows in the difference. It is then given a margin and rounded
 * up to 1, 2 or 5 of a power of ten, so that it does not change with the last bit of a measurement.
 */
import {
  concatRows,
  type Dataset,
  fixedBatch,
  type Golden,
  isBatchable,
  pickRows,
  rowsLike,
  type Signature,
  type Tensor,
  type Tensors,
} from '@slipway/core';
import type { Runner } from '@slipway/runtime';
import { floatReader } from './floats.ts';
import { wrapAround } from './calls.ts';

/** Fewer would miss a class of inputs; more only costs start-up time. */
export const GOLDEN_SAMPLES = 8;

/** Margin over the difference between batch sizes: other thread counts and instruction sets add to it. */
const MARGIN = 16;
/** float32 sums of a few thousand terms agree to about 1e-6 of the largest; ten times that, for deep models. */
const ROUNDING = 1e-5;
/** One step of an 8-bit scale, which may round the other way on other instruction sets. */
const QUANTIZATION_STEP = 1 / 256;
const RELATIVE = 1e-4;

export interface GoldenSamples {
  /** Arrays for the `.npz`, named as `Golden` in core describes. */
  readonly arrays: ReadonlyMap<string, Tensor>;
  readonly count: number;
  readonly tolerance: Golden['tolerance'];
  /** Largest difference of an answer alone and in a batch, as a share of the largest output; 0 for a fixed batch. */
  readonly batchSensitivity: number;
}

/** @param quantized whether the model computes in 8 bits somewhere */
export async function recordGolden(
  runner: Pick<Runner, 'run'>,
  signature: Signature,
  dataset: Dataset,
  quantized: boolean,
): Promise<GoldenSamples> {
  const size = fixedBatch(signature) ?? 1;
  const spread = Math.max(1, Math.floor(dataset.rowCount / GOLDEN_SAMPLES));
  const inputs = Array.from({ length: GOLDEN_SAMPLES }, (_, i) => wrapAround(dataset, i * spread, size));
  const outputs: Tensors[] = [];
  for (const each of inputs) outputs.push(await runner.run(each));
  const apart = new Map<string, Tensor>();
  inputs.forEach((each, i) => put(apart, 'input', each, `/${i}`));
  outputs.forEach((each, i) => put(apart, 'output', each, `/${i}`));
  if (!isBatchable(signature)) {
    return { arrays: apart, count: GOLDEN_SAMPLES, tolerance: toleranceOf(outputs, 0, quantized), batchSensitivity: 0 };
  }
  let [stackedInputs, alone] = [inputs, outputs];
  if (dataset.isRagged) {
    stackedInputs = alikeSamples(dataset);
    alone = [];
    for (const each of stackedInputs) alone.push(await runner.run(each));
  }
  const [input, output] = [stack(stackedInputs), stack(alone)];
  const difference = largestDifference(output, await runner.run(input));
  const arrays = new Map<string, Tensor>();
  put(arrays, 'input', input);
  put(arrays, 'output', output);
  return {
    arrays: dataset.isRagged ? apart : arrays,
    count: GOLDEN_SAMPLES,
    tolerance: toleranceOf(dataset.isRagged ? [...outputs, ...alone] : outputs, difference, quantized),
    batchSensitivity: difference / Math.max(...Object.values(output).map(largest), Number.MIN_VALUE),
  };
}

/** Rows that can share a call, for the difference that sharing makes: of the shape that most rows have. */
function alikeSamples(dataset: Dataset): Tensors[] {
  let most: readonly number[] = [];
  const seen = new Set<number>();
  for (let row = 0; row < dataset.rowCount; row++) {
    if (seen.has(row)) continue;
    const alike = rowsLike(dataset, row);
    for (const each of alike) seen.add(each);
    if (alike.length > most.length) most = alike;
  }
  return Array.from({ length: GOLDEN_SAMPLES }, (_, i) => pickRows(dataset, [most[i % most.length] ?? 0]));
}

function put(arrays: Map<string, Tensor>, kind: 'input' | 'output', values: Tensors, suffix = ''): void {
  for (const [name, value] of Object.entries(values)) arrays.set(`${kind}/${name}${suffix}`, value);
}

function stack(parts: readonly Tensors[]): Tensors {
  const names = Object.keys(parts[0] ?? {});
  return Object.fromEntries(
    names.map((name) => [name, concatRows(parts.flatMap((part) => (part[name] === undefined ? [] : [part[name]])))]),
  );
}

/** The largest finite magnitude. */
export function largest(value: Tensor): number {
  if (value.dtype === 'string') return 0;
  const read = floatReader(value);
  let most = 0;
  for (let i = 0; i < value.data.length; i++) {
    const size = Math.abs(read(i));
    if (Number.isFinite(size) && size > most) most = size;
  }
  return most;
}

function largestDifference(first: Tensors, second: Tensors): number {
  let most = 0;
  for (const [name, a] of Object.entries(first)) {
    const b = second[name];
    if (b === undefined || a.dtype === 'string' || b.dtype === 'string') continue;
    const [x, y] = [floatReader(a), floatReader(b)];
    for (let i = 0; i < a.data.length; i++) {
      const difference = Math.abs(x(i) - y(i));
      if (Number.isFinite(difference) && difference > most) most = difference;
    }
  }
  return most;
}

function toleranceOf(outputs: readonly Tensors[], difference: number, quantized: boolean): Golden['tolerance'] {
  const all = outputs.flatMap((each) => Object.values(each));
  // Whole numbers and text are right or wrong.
  if (all.every(({ dtype }) => !dtype.startsWith('float')) && difference === 0) return { absolute: 0, relative: 0 };
  const scale = Math.max(0, ...all.map(largest));
  const half = all.some(({ dtype }) => dtype === 'float16') ? 100 : 1;
  const floor = scale * (quantized ? QUANTIZATION_STEP : ROUNDING * half);
  // A difference far above rounding is the model's own and needs less margin.
  const seen = difference > 100 * ROUNDING * scale ? 2 * difference : MARGIN * difference;
  return { absolute: roundUp(Math.max(floor, seen)), relative: RELATIVE * half };
}

/** To 1, 2 or 5 of a power of ten; nothing stays nothing. */
export function roundUp(value: number): number {
  if (value === 0) return 0;
  const exponent = Math.floor(Math.log10(value));
  const digit = [1, 2, 5, 10].find((each) => each * 10 ** exponent >= value * (1 - 1e-12)) ?? 10;
  // Through text: 5 × 10^-3 is not 0.005 in binary arithmetic.
  return Number(`${digit}e${exponent}`);
}
