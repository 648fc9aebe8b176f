/**
 * The bytes of the only input and nothing else: little-endian, row-major. The shape is what the client says it is, or follows
 * from the signature and the number of bytes when at most one dimension is free.
 */
import {
  BYTES_PER_ELEMENT,
  elementCount,
  LIMITS,
  type Signature,
  type Tensor,
  type Tensors,
  type TensorSpec,
} from '@slipway/core';
import { decodeBinary } from '../protocols/inference/binary.ts';
import { malformed, onlyInput } from './fit.ts';
import { textTensor } from './text.ts';

/** @param shape `2,3`; null: not given. @throws REQUEST_MALFORMED, TENSOR_INVALID */
export function readRawBody(body: Buffer, signature: Signature, shape: string | null): Tensors {
  const spec = onlyInput(signature, 'application/octet-stream');
  return { [spec.name]: rawTensor(body, spec, shape) };
}

export function rawTensor(bytes: Buffer, spec: TensorSpec, shape: string | null): Tensor {
  if (spec.dtype === 'string') return textTensor([bytes], spec);
  const where = `input "${spec.name}"`;
  return decodeBinary(spec.dtype, shape === null ? shapeOf(spec, bytes.length) : parseShape(shape), bytes, where);
}

function parseShape(text: string): number[] {
  const dims = text.replace(/^\s*\[(.*)\]\s*$/, '$1').trim();
  const parts = dims === '' ? [] : dims.split(',').map((part) => part.trim());
  if (parts.length > LIMITS.maxRank || !parts.every((part) => /^\d{1,15}$/.test(part))) {
    throw malformed(`the shape "${text.slice(0, 100)}" is not a list of sizes such as 2,3`);
  }
  const shape = parts.map(Number);
  elementCount(shape, 'the shape given');
  return shape;
}

/** With more than one free dimension the first is the batch, of one row. */
function shapeOf(spec: TensorSpec, bytes: number): number[] {
  const unclear = (why: string) =>
    malformed(`input "${spec.name}" ${why}; give its shape in the query (?shape=1,20) or the header x-slipway-shape`);
  if (spec.dtype === 'string' || spec.shape === null) throw unclear('has no known rank');
  const shape = [...spec.shape];
  const free = (): number => shape.filter((dim) => typeof dim === 'string').length;
  if (free() > 1 && typeof shape[0] === 'string') shape[0] = 1;
  if (free() > 1) throw unclear('has several free dimensions');
  const fixed = shape.reduce<number>((product, dim) => (typeof dim === 'number' ? product * dim : product), 1);
  const size = fixed === 0 ? 0 : Math.floor(bytes / BYTES_PER_ELEMENT[spec.dtype] / fixed);
  return shape.map((dim) => (typeof dim === 'number' ? dim : size));
}
