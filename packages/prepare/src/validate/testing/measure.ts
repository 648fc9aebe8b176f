/** A metric over rows that a test gives, in one call or several, without any model. */
import { type MetricSpec, rows, type Tensor, type Tensors } from '@slipway/core';
import { keeper, type Kept } from '../kept.ts';
import { type Metric, unitWeights } from '../metric.ts';
import { createMetric } from '../metrics/index.ts';

export interface Rows {
  readonly outputs: Tensors;
  readonly labels?: Tensor | null;
  /** The outputs of the source. Default: the same. */
  readonly source?: Tensors;
  readonly names?: readonly string[];
  /** Rows per call. Default: all at once. */
  readonly perCall?: number;
}

export interface MeasuredMetric {
  readonly metric: Metric;
  readonly kept: Kept;
  readonly value: number;
}

/** The metric over the rows; the output is the first one unless the spec names another. */
export async function measureMetric(spec: MetricSpec, given: Rows): Promise<MeasuredMetric> {
  const { outputs, labels = null, source = outputs, names = null } = given;
  const [output = ''] = Object.keys(outputs);
  const metric = createMetric(spec, { output, names });
  const total = (Object.values(outputs)[0]?.shape[0] ?? 0) || 0;
  const size = given.perCall ?? total;
  const part = (tensors: Tensors, from: number, to: number): Tensors =>
    Object.fromEntries(Object.entries(tensors).map(([name, value]) => [name, rows(value, from, to)]));
  const callAt = (firstRow: number) => {
    const end = Math.min(total, firstRow + size);
    return {
      inputs: {},
      outputs: part(outputs, firstRow, end),
      source: part(source, firstRow, end),
      labels: labels === null ? null : rows(labels, firstRow, end),
      rows: end - firstRow,
      firstRow,
    };
  };
  const first = callAt(0);
  const read = metric.reader({ ...first, outputs: first.source });
  const keep = keeper();
  for (let firstRow = 0; firstRow < total; firstRow += size) {
    await read(callAt(firstRow), (row) => keep.add(row));
  }
  const kept = keep.finish();
  return { metric, kept, value: metric.figure(kept)(unitWeights(kept.rows)) };
}
