/** A model of the matrix with what it is fed: some calls, and rows to calibrate with where the model takes rows at all. */
import {
  ARRAY_OF,
  concatRows,
  createDataset,
  type Dataset,
  elementCount,
  randomStream,
  type Tensor,
  type Tensors,
  type TensorSpec,
} from '@slipway/core';
import { type Model, signatureOf } from '@slipway/onnx';

export interface Subject {
  readonly model: Model;
  /** A small change of inputs or weights changes the outputs by little. */
  readonly smooth: boolean;
  readonly calls: readonly Tensors[];
  readonly calibration: Dataset | null;
}

/** Rows of a call where the model takes any number. */
const ROWS = 2;
const CALLS = 4;
/** What other symbols are. */
const OTHER = 3;

export function subjectOf(model: Model, smooth: boolean, value = uniformValue): Subject {
  const signature = signatureOf(model);
  const random = randomStream(1);
  const shapeOf = ({ shape }: TensorSpec): readonly number[] =>
    (shape ?? [ROWS]).map((dim, axis) => (typeof dim === 'number' ? dim : axis === 0 ? ROWS : OTHER));
  const call = (): Tensors =>
    Object.fromEntries(signature.inputs.map((spec) => [spec.name, filled(spec, shapeOf(spec), random, value)]));
  const calls = Array.from({ length: CALLS }, call);

  // Rows exist when every input has as many of them in a call; a scalar is a row of its own.
  const perCall = new Set(signature.inputs.map((spec) => (spec.shape?.length === 0 ? 1 : (shapeOf(spec)[0] ?? 1))));
  const [rows = 0] = perCall;
  if (perCall.size !== 1 || rows === 0) return { model, smooth, calls, calibration: null };
  const stacked = signature.inputs.map(({ name }) => {
    const parts = calls
      .map((inputs) => inputs[name] as Tensor)
      .map((each) => ({ ...each, shape: each.shape.length === 0 ? [1] : each.shape }));
    return [name, concatRows(parts)] as const;
  });
  const size = { rowCount: CALLS * rows, firstRow: 0 };
  return {
    model,
    smooth,
    calls,
    calibration: createDataset(signature, Object.fromEntries(stacked), null, size),
  };
}

const uniformValue = (_: TensorSpec, random: () => number): number => random() * 2 - 1;

function filled(
  spec: TensorSpec,
  shape: readonly number[],
  random: () => number,
  value: (spec: TensorSpec, random: () => number) => number,
): Tensor {
  const { dtype } = spec;
  const count = elementCount(shape);
  if (dtype === 'string') {
    return { dtype, shape, data: Array.from({ length: count }, (_, i) => (i % 2 === 0 ? 'One' : 'two')) };
  }
  const data = new ARRAY_OF[dtype](count);
  for (let i = 0; i < count; i++) {
    const whole = Math.floor(random() * 2);
    if (data instanceof BigInt64Array || data instanceof BigUint64Array) data[i] = BigInt(whole);
    else if (dtype === 'float32' || dtype === 'float64') data[i] = value(spec, random);
    // 0, ½ and 1 in half precision.
    else data[i] = dtype === 'float16' ? ([0, 0x3800, 0x3c00][Math.floor(random() * 3)] ?? 0) : whole;
  }
  return { dtype, shape, data } as Tensor;
}
