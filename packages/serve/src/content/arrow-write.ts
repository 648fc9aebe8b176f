/** Tensors as an Arrow table: one column per output, axes beyond the first as fixed-size lists. Needs rows to be rows. */
import type { Signature, Tensor, Tensors } from '@slipway/core';
import {
  type Batch,
  batchType,
  bool,
  Column,
  type DataType,
  field,
  fixedSizeList,
  float16,
  float32,
  float64,
  int16,
  int32,
  int64,
  int8,
  tableFromColumns,
  tableToIPC,
  uint16,
  uint32,
  uint64,
  uint8,
  utf8,
} from '@uwdata/flechette';
import { malformed } from './fit.ts';

const TYPES = {
  uint8,
  uint16,
  uint32,
  uint64,
  int8,
  int16,
  int32,
  int64,
  float16,
  float32,
  float64,
} as const;

const NONE = new Uint8Array(0);

/** @throws REQUEST_MALFORMED when the outputs do not have the same rows */
export function writeArrow(signature: Signature, outputs: Tensors, format: 'stream' | 'file'): Buffer {
  const columns = signature.outputs.map(({ name }): [string, Column<unknown>] => [
    name,
    columnOf(outputs[name] as Tensor),
  ]);
  if (columns.some(([, { length }]) => length !== columns[0]?.[1].length)) {
    throw malformed('the outputs do not have the same rows, so they are no table; ask for .npz or JSON');
  }
  const bytes = tableToIPC(tableFromColumns(columns), { format });
  if (bytes === null) throw new Error('no bytes for a table in memory');
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function columnOf(tensor: Tensor): Column<unknown> {
  const [rows = 1, ...dims] = tensor.shape.length === 0 ? [1] : tensor.shape;
  let { batch, type } = leaf(tensor);
  // From the inside out.
  for (const [axis, dim] of [...dims.entries()].reverse()) {
    type = fixedSizeList(field('item', type), dim);
    const count = dims.slice(0, axis).reduce((product, size) => product * size, rows);
    batch = batchOf(type, count, { children: [batch] });
  }
  return new Column([batch], type);
}

function leaf(tensor: Tensor): { batch: Batch<unknown>; type: DataType } {
  const { length } = tensor.data;
  switch (tensor.dtype) {
    case 'string': {
      const texts = tensor.data.map((text) => Buffer.from(text));
      const offsets = new Int32Array(length + 1);
      texts.forEach((bytes, index) => (offsets[index + 1] = (offsets[index] as number) + bytes.length));
      const type = utf8();
      return { type, batch: batchOf(type, length, { offsets, values: Buffer.concat(texts) }) };
    }
    case 'bool': {
      const bits = new Uint8Array(Math.ceil(length / 8));
      for (let i = 0; i < length; i++) {
        bits[i >> 3] = (bits[i >> 3] as number) | ((tensor.data[i] as number) << (i & 7));
      }
      const type = bool();
      return { type, batch: batchOf(type, length, { values: bits }) };
    }
    default: {
      const type = TYPES[tensor.dtype]();
      return { type, batch: batchOf(type, length, { values: tensor.data }) };
    }
  }
}

/** The buffers as the library would have read them. */
function batchOf(type: DataType, length: number, buffers: object): Batch<unknown> {
  const Class = batchType(type) as new (of: object) => Batch<unknown>;
  return new Class({ length, nullCount: 0, type, validity: NONE, ...buffers });
}
