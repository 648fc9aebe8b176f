/** One row of a request on its way through the input steps: values by name. */
import { fail, type StringElement, type Tensor } from '@slipway/core';
import type { Encoded } from './text/tokenizer.ts';

/** What a client sent as text or file; a tensor without its batch axis; or a tokenized text, not yet padded. */
export type RowValue = StringElement | Tensor | Encoded;

export type Row = Map<string, RowValue>;

/** What runs on one row; `where` says which, for errors. */
export type RowStep = (row: Row, where: string) => void | Promise<void>;

/** Takes a value out: what a step reads is gone, unless it writes it again. */
export function take(row: Row, name: string): RowValue {
  const value = row.get(name);
  if (value === undefined) throw fail('INTERNAL', { problem: `a transform reads "${name}", which is not there` });
  row.delete(name);
  return value;
}

export function isTensor(value: RowValue): value is Tensor {
  return typeof value === 'object' && 'dtype' in value;
}

export function isEncoded(value: RowValue): value is Encoded {
  return typeof value === 'object' && 'ids' in value;
}

/** @throws TENSOR_INVALID when it is no tensor of numbers */
export function takeNumbers(row: Row, name: string, where: string): Exclude<Tensor, { dtype: 'string' }> {
  const value = take(row, name);
  if (isTensor(value) && value.dtype !== 'string') return value;
  throw fail('TENSOR_INVALID', { where, problem: 'these are no numbers' });
}
