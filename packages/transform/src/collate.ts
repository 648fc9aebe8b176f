/** Rows to the tensors of a model: stacked, and tokenized texts padded to one length. */
import {
  ARRAY_OF,
  BYTES_PER_ELEMENT,
  fail,
  type InputTransform,
  LIMITS,
  type NumericDType,
  type Signature,
  type Tensor,
  type Tensors,
} from '@slipway/core';
import { DEFAULT_MAX_LENGTH } from './input-steps.ts';
import { isEncoded, isTensor, type Row } from './row.ts';
import type { Encoded, Padding } from './text/tokenizer.ts';

type Tokenize = Extract<InputTransform, { transform: 'tokenize' }>;

/** How a tokenized text becomes one tensor. */
export interface TokenInput {
  readonly step: Tokenize;
  readonly part: 'ids' | 'mask' | 'types';
  readonly dtype: 'int32' | 'int64';
  readonly padding: Padding;
}

/** @throws TENSOR_INVALID when rows differ in shape, or are more than can be held */
export function collate(rows: readonly Row[], model: Signature, tokens: ReadonlyMap<string, TokenInput>): Tensors {
  const [first] = rows;
  const result: Record<string, Tensor> = {};
  if (first === undefined) return result;
  for (const name of first.keys()) {
    const as = tokens.get(name);
    result[name] = as === undefined ? stack(rows, name, model) : padded(rows, name, as);
  }
  return result;
}

/** @throws TENSOR_INVALID */
export function checkSize(rows: number, bytesOfOne: number): void {
  const bytes = rows * bytesOfOne;
  if (bytes <= LIMITS.maxTransformedBytes) return;
  throw fail('TENSOR_INVALID', {
    where: 'the request',
    problem: `${rows} rows become ${bytes} bytes of tensors, more than ${LIMITS.maxTransformedBytes}; send fewer rows at once`,
  });
}

function stack(rows: readonly Row[], name: string, model: Signature): Tensor {
  const parts = rows.map((row) => row.get(name)).filter((value) => value !== undefined && isTensor(value));
  const [first] = parts;
  if (first === undefined || first.dtype === 'string') throw fail('INTERNAL', { problem: `"${name}" is no tensor` });
  const wanted = model.inputs.find((spec) => spec.name === name)?.dtype ?? first.dtype;
  const dtype = first.dtype;
  const size = first.data.length;
  const data = new ARRAY_OF[dtype](rows.length * size);
  parts.forEach((part, index) => {
    if (part.shape.join() !== first.shape.join()) {
      const problem = `row ${index} has the shape [${part.shape.join(', ')}], row 0 [${first.shape.join(', ')}]; send them one by one`;
      throw fail('TENSOR_INVALID', { where: `input "${name}"`, problem });
    }
    data.set(part.data as never, index * size);
  });
  if (wanted !== dtype) throw fail('INTERNAL', { problem: `"${name}" is ${dtype}, the model takes ${wanted}` });
  return { dtype, shape: [rows.length, ...first.shape], data } as Tensor;
}

function padded(rows: readonly Row[], name: string, { step, part, dtype, padding }: TokenInput): Tensor {
  const texts = rows.map((row) => row.get(name)).filter((value) => value !== undefined && isEncoded(value));
  const { maxLength = DEFAULT_MAX_LENGTH } = step;
  const length =
    step.padding === 'max' ? maxLength : texts.reduce((longest, { ids }) => Math.max(longest, ids.length), 1);
  checkSize(rows.length, length * BYTES_PER_ELEMENT[dtype]);
  const data = new ARRAY_OF[dtype satisfies NumericDType](rows.length * length);
  const fill = part === 'ids' ? padding.id : part === 'types' ? padding.type : 0;
  if (fill !== 0) data.fill((dtype === 'int64' ? BigInt(fill) : fill) as never);
  texts.forEach((text, row) => {
    const start = row * length + (padding.side === 'left' ? length - text.ids.length : 0);
    data.set(valuesOf(text, part, dtype) as never, start);
  });
  return { dtype, shape: [rows.length, length], data } as Tensor;
}

function valuesOf(
  { ids, types }: Encoded,
  part: TokenInput['part'],
  dtype: 'int32' | 'int64',
): ArrayLike<number | bigint> {
  const values = part === 'ids' ? ids : part === 'types' ? types : ids.map(() => 1);
  return dtype === 'int64' ? values.map(BigInt) : values;
}
