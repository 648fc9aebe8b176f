/** Tensors to warm up with: filled, repeated, or as somebody wrote them down. */
import {
  ARRAY_OF,
  type DType,
  elementCount,
  fail,
  fromBytes,
  isBatchable,
  type NumericDType,
  randomStream,
} from '@slipway/core';
import type { Signature, Tensor, Tensors } from '@slipway/core';
import { readFile } from 'node:fs/promises';
import type { WarmUpInput, WarmUpSample } from './settings.ts';

/** Elements of one input made here; a warm-up is no load test. */
const MAX_ELEMENTS = 64 * 1024 * 1024;
const SEED = 0;

/** Random numbers are from 0 to 1, whole ones 0 or 1: an index is then one that most tables have. */
export function filled(dtype: DType, shape: readonly number[], data: 'zero' | 'random'): Tensor {
  const count = elementCount(shape);
  if (count > MAX_ELEMENTS) throw fail('TENSOR_INVALID', { where: 'warm-up', problem: `${count} elements` });
  if (dtype === 'string') return { dtype, shape, data: new Array<string>(count).fill('') };
  const tensor = { dtype, shape, data: new ARRAY_OF[dtype](count) } as Tensor & { readonly dtype: NumericDType };
  if (data === 'zero') return tensor;
  const random = randomStream(SEED);
  const { data: elements } = tensor;
  for (let i = 0; i < count; i++) {
    if (elements instanceof BigInt64Array || elements instanceof BigUint64Array) {
      elements[i] = BigInt(random() < 0.5 ? 0 : 1);
    }
    // Half precision is its bits: these are 0 and 1.
    else if (dtype === 'float16') elements[i] = random() < 0.5 ? 0 : 0x3c00;
    else elements[i] = dtype === 'float32' || dtype === 'float64' ? random() : random() < 0.5 ? 0 : 1;
  }
  return tensor;
}

/** @param rows null: as it is */
export function repeatRows(tensor: Tensor, rows: number | null): Tensor {
  const have = tensor.shape[0] ?? 0;
  if (rows === null || rows === have || have === 0) return tensor;
  const width = tensor.data.length / have;
  const shape = [rows, ...tensor.shape.slice(1)];
  const at = (i: number): number => (Math.floor(i / width) % have) * width + (i % width);
  if (tensor.dtype === 'string') {
    return { dtype: 'string', shape, data: Array.from({ length: rows * width }, (_, i) => tensor.data[at(i)] ?? '') };
  }
  const data = new ARRAY_OF[tensor.dtype](rows * width);
  for (let row = 0; row < rows; row++) {
    const from = (row % have) * width;
    (data as Uint8Array).set(tensor.data.subarray(from, from + width) as Uint8Array, row * width);
  }
  return { dtype: tensor.dtype, shape, data } as Tensor;
}

/** One row as it is written down, as many times as the batch has rows. */
export async function sampleInputs({ name, rows, inputs }: WarmUpSample, signature: Signature): Promise<Tensors> {
  const batched = isBatchable(signature);
  const named: [string, Tensor][] = [];
  for (const spec of signature.inputs) {
    const input = inputs[spec.name];
    if (input === undefined) {
      throw fail('TENSOR_INVALID', {
        where: `warm-up "${name}"`,
        problem: `there is nothing for the input "${spec.name}"`,
      });
    }
    const shape = batched ? [1, ...input.dims] : [...input.dims];
    const one =
      input.data === 'file' ? await fromFile(input, spec.dtype, shape) : filled(spec.dtype, shape, input.data);
    named.push([spec.name, batched ? repeatRows(one, rows) : one]);
  }
  return Object.fromEntries(named);
}

async function fromFile({ file = '' }: WarmUpInput, dtype: DType, shape: readonly number[]): Promise<Tensor> {
  const bytes = await readFile(file).catch(() => null);
  if (bytes === null) throw fail('FILE_NOT_FOUND', { path: file });
  if (dtype !== 'string') return fromBytes(dtype, shape, bytes);
  const data: string[] = [];
  for (let at = 0; at + 4 <= bytes.length;) {
    const length = bytes.readUInt32LE(at);
    data.push(bytes.toString('utf8', at + 4, at + 4 + length));
    at += 4 + length;
  }
  return { dtype, shape, data };
}
