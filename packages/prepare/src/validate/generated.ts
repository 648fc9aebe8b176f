/**
 * Inputs for a model nobody gave data for: seeded, of the right dtypes and shapes, and harmless. They show size, speed and whether
 * a candidate computes what the source computes; they say nothing about accuracy, and the report says so.
 */
import {
  ARRAY_OF,
  createDataset,
  type Dataset,
  elementCount,
  type Signature,
  type Tensor,
  type TensorSpec,
  randomStream,
} from '@slipway/core';

/**
 * Sizes for dimensions that the model leaves open, beside the rows. Pictures must survive several halvings; a
 * sequence must be shorter than the position table of a small encoder.
 */
const PICTURE = 64;
const OTHER = 16;

/** @param rows how many rows; for a model with a fixed axis 0, each row is one element of that axis */
export function generateRows(signature: Signature, rows: number, seed: number): Dataset {
  const random = randomStream(seed);
  const entries = signature.inputs.map(
    (spec) => [spec.name, fill(spec, [rows, ...openShape(spec).slice(1)], random)] as const,
  );
  return createDataset(signature, Object.fromEntries(entries), null, { rowCount: rows, firstRow: 0 });
}

/** The shape of one call, with sizes for open dimensions: one row where the rows may vary. */
function openShape(spec: TensorSpec): readonly number[] {
  const shape = spec.shape ?? ['rows', OTHER];
  const isPicture = shape.length === 4;
  return shape.map((dim, axis) => {
    if (typeof dim === 'number') return dim;
    if (axis === 0) return 1;
    // Channels of a picture are first or last; three is what most pictures have.
    return isPicture && axis >= 2 ? PICTURE : isPicture ? 3 : OTHER;
  });
}

function fill({ dtype }: TensorSpec, shape: readonly number[], random: () => number): Tensor {
  const count = elementCount(shape);
  if (dtype === 'string') return { dtype, shape, data: Array.from({ length: count }, () => 'text') };
  const data = new ARRAY_OF[dtype](count);
  // Whole numbers are mostly ids, masks and indices: 0 and 1 exist in every table.
  const whole = (): number => Math.floor(random() * 2);
  for (let i = 0; i < count; i++) {
    if (data instanceof BigInt64Array || data instanceof BigUint64Array) data[i] = BigInt(whole());
    else if (dtype === 'float16') data[i] = HALVES[Math.floor(random() * HALVES.length)] ?? 0;
    else data[i] = dtype === 'float32' || dtype === 'float64' ? random() : whole();
  }
  return { dtype, shape, data } as Tensor;
}

/** 0, ¼, ½, ¾ and 1 as float16. */
const HALVES = [0x0000, 0x3400, 0x3800, 0x3a00, 0x3c00] as const;
