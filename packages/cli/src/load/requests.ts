/** Rows as requests of a protocol: JSON as TensorFlow Serving has it, or binary tensors of the Open Inference Protocol. */
import { type Dataset, fixedBatch, type Signature, tensorToJson, type Tensors } from '@slipway/core';
import { encodeBinary } from '../client/oip.ts';
import { calls } from '../client/rows.ts';
import type { PreparedRequest } from './load.ts';

/** Enough that a server cannot answer from one cached row, few enough to prepare at once. */
const MOST_REQUESTS = 64;

export function prepareRequests(
  dataset: Dataset,
  options: { readonly model: string; readonly batch: number; readonly binary: boolean },
): PreparedRequest[] {
  const batch = Math.min(options.batch, dataset.rowCount);
  const prepare = options.binary ? binaryRequest : jsonRequest;
  return calls(dataset, batch)
    .slice(0, MOST_REQUESTS)
    .map((inputs) => prepare(options.model, dataset.signature, inputs, batch));
}

function binaryRequest(model: string, _signature: Signature, inputs: Tensors, rows: number): PreparedRequest {
  return { path: `/v2/models/${encodeURIComponent(model)}/infer`, ...encodeBinary(inputs), rows };
}

function jsonRequest(model: string, signature: Signature, inputs: Tensors, rows: number): PreparedRequest {
  const [only, another] = Object.values(inputs);
  const columns = Object.entries(inputs).map(([name, value]) => [name, tensorToJson(value)] as const);
  const inRows = only !== undefined && another === undefined && fixedBatch(signature) === null;
  const document = inRows ? { instances: columns[0]?.[1] } : { inputs: Object.fromEntries(columns) };
  return {
    path: `/v1/models/${encodeURIComponent(model)}:predict`,
    headers: { 'content-type': 'application/json' },
    body: Buffer.from(JSON.stringify(document)),
    rows,
  };
}
