/**
 * The inputs that documentation shows: the first golden sample of the release, which is known to work, or, where there is none,
 * inputs of the smallest shape the signature allows.
 */
import {
  ARRAY_OF,
  elementCount,
  numberToFloat16,
  type Signature,
  type Tensor,
  type Tensors,
  type TensorSpec,
} from '@slipway/core';

export interface Example {
  readonly inputs: Tensors;
  /** `synthetic` fits the signature; whether the model can do anything with it is not known. */
  readonly origin: 'golden' | 'synthetic';
}

/** Elements a page can show. */
const MAX_ELEMENTS = 1024;
/** The size of a free dimension that is not the batch. */
const FREE = 4;

/** null: too large to show. */
export function exampleOf(
  signature: Signature,
  sample: Tensors | null,
  images: readonly string[] = [],
): Example | null {
  const golden = sample !== null && signature.inputs.every((spec) => sample[spec.name]?.dtype === spec.dtype);
  const inputs = golden
    ? sample
    : Object.fromEntries(
        signature.inputs.map((spec) => [spec.name, (images.includes(spec.name) ? image : smallest)(spec)]),
      );
  const elements = Object.values(inputs).reduce((sum, value) => sum + (value?.data.length ?? Infinity), 0);
  if (elements > MAX_ELEMENTS) return null;
  return { inputs: inputs as Tensors, origin: golden ? 'golden' : 'synthetic' };
}

/** 8 × 8 pixels of colours, as PNG: whatever size the model wants, images are made so. */
const IMAGE =
  'iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAbElEQVR42hXNQRUAUQhCUaMYhShGeVGIQhSizB+XXA7ODDtouIHBQ4YOM8suWm5h8ZKl+0CskDiBsIioHhx76LiDw0eO3oN/4FVf+J8h0PduzBqZ8x/bxNQPwgaFy192SGgelC0q13/CJaXlA8Z7WAFXOTbyAAAAAElFTkSuQmCC';

const image = ({ shape }: TensorSpec): Tensor => ({
  dtype: 'string',
  shape: (shape ?? [1]).map(() => 1),
  data: [new Uint8Array(Buffer.from(IMAGE, 'base64'))],
});

/** null when even that is too large. */
function smallest(spec: TensorSpec): Tensor | null {
  const shape = (spec.shape ?? [1]).map((dim, axis) => (typeof dim === 'number' ? dim : axis === 0 ? 1 : FREE));
  const count = elementCount(shape);
  if (count > MAX_ELEMENTS) return null;
  const { dtype } = spec;
  if (dtype === 'string') return { dtype, shape, data: Array.from({ length: count }, () => 'an example') };
  const data = new ARRAY_OF[dtype](count) as { [index: number]: number | bigint };
  for (let i = 0; i < count; i++) {
    const fraction = ((i + 4) % 8) / 8;
    if (dtype === 'float16') data[i] = numberToFloat16(fraction);
    else if (dtype.startsWith('float')) data[i] = fraction;
    else data[i] = dtype === 'int64' || dtype === 'uint64' ? BigInt(i % 2) : i % 2;
  }
  return { dtype, shape, data } as unknown as Tensor;
}
