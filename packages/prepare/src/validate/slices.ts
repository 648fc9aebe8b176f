/** The rows told apart: by the class they should be answered with, and by the group the data or the config names. */
import {
  columnRows,
  type Dataset,
  fail,
  type GroupFunction,
  isRagged,
  type MetricValue,
  type Slicing,
} from '@slipway/core';
import { amongMany, difference, estimate } from './difference.ts';
import { type Kept, selectRows } from './kept.ts';
import type { Metric } from './metric.ts';
import { expectedAnswers } from './metrics/answers.ts';

export interface Slice {
  readonly by: Slicing;
  readonly name: string;
  /** Row numbers, rising. */
  readonly rows: Uint32Array;
}

/** More are only taken when asked for: a report of a thousand classes hides what it should show. */
const MAX_SLICES = 100;
/** More than that is a mistake, such as an identifier taken for a group. */
const LIMIT = 10_000;

export interface SliceOptions {
  /** null: whatever the data allows. */
  readonly wanted: readonly Slicing[] | null;
  readonly group: GroupFunction | null;
  readonly names: readonly string[] | null;
}

/** @throws DATA_MISMATCH when a slicing that was asked for is not possible */
export function slicesOf(dataset: Dataset, { wanted, group, names }: SliceOptions): readonly Slice[] {
  const slices: Slice[] = [];
  for (const by of ['group', 'class'] as const) {
    if (wanted?.includes(by) === false) continue;
    const keys = by === 'group' ? groupsOf(dataset, group) : classesOf(dataset, names);
    if (keys === null) {
      if (wanted !== null) throw impossible(by);
      continue;
    }
    const own = collect(by, keys, names);
    if (own.length > LIMIT) {
      throw fail('DATA_MISMATCH', {
        problem: `the evaluation rows fall into ${own.length} slices by ${by}; at most ${LIMIT} are told apart`,
      });
    }
    if (own.length > 1 && (wanted !== null || own.length <= MAX_SLICES)) slices.push(...own);
  }
  return slices;
}

const impossible = (by: Slicing): Error =>
  fail('DATA_MISMATCH', {
    problem:
      by === 'group'
        ? 'data.slices names "group", but neither the evaluation data nor data.group says which group a row is in'
        : 'data.slices names "class", but the labels of the evaluation data are not one class per row',
  });

function groupsOf(dataset: Dataset, group: GroupFunction | null): readonly string[] | null {
  if (group === null) return dataset.groups;
  const { inputs, rowCount } = dataset;
  const labels = dataset.labels === null || isRagged(dataset.labels) ? null : dataset.labels;
  return Array.from({ length: rowCount }, (_, index) => {
    const own = Object.entries(inputs).map(([name, value]) => [name, columnRows(value, index, index + 1)] as const);
    const one = labels?.data.length === rowCount ? (labels.data[index] ?? null) : null;
    const label = typeof one === 'bigint' ? Number(one) : one instanceof Uint8Array ? null : one;
    try {
      return String(group({ index, inputs: Object.fromEntries(own), label }));
    } catch (cause) {
      const problem = `data.group failed on row ${index}: ${cause instanceof Error ? cause.message : String(cause)}`;
      throw fail('DATA_MISMATCH', { problem }, { cause });
    }
  });
}

/** null when the labels are not one class per row. */
function classesOf(
  { labels, rowCount }: Dataset,
  names: readonly string[] | null,
): readonly (string | number)[] | null {
  if (labels === null || isRagged(labels)) return null;
  const { data } = labels;
  const whole = (value: unknown): boolean => typeof value !== 'number' || Number.isInteger(value);
  if (data.length !== rowCount || !Array.from<unknown>(data).every(whole)) return null;
  return expectedAnswers(labels, { rows: rowCount, firstRow: 0 }, names);
}

function collect(by: Slicing, keys: readonly (string | number)[], names: readonly string[] | null): readonly Slice[] {
  const rowsOf = new Map<string | number, number[]>();
  for (const [row, key] of keys.entries()) {
    const own = rowsOf.get(key);
    if (own === undefined) rowsOf.set(key, [row]);
    else own.push(row);
  }
  const order = [...rowsOf.keys()].sort((a, b) =>
    typeof a === 'number' && typeof b === 'number' ? a - b : String(a) < String(b) ? -1 : 1,
  );
  return order.map((key) => {
    const name = typeof key === 'number' ? (names?.[key] ?? String(key)) : key;
    return { by, name, rows: Uint32Array.from(rowsOf.get(key) ?? []) };
  });
}

/** One metric of one model, whole and by slice, against the source when there is one. */
export function metricValue(
  metric: Metric,
  own: Kept,
  source: Kept | null,
  slices: readonly Slice[],
  seed: number,
): MetricValue {
  const compared = (kept: Kept, before: Kept | null) => ({
    value: estimate(metric, kept, seed),
    versusSource: before === null ? null : difference(metric, kept, before, seed),
  });
  const parts = slices.flatMap((slice) => {
    if (slice.by === 'class' && !metric.byClass) return [];
    // Rows that fill no call of a model with a fixed batch were not evaluated.
    const rows = slice.rows.filter((row) => row < own.rows);
    const part = compared(selectRows(own, rows), source === null ? null : selectRows(source, rows));
    return [{ by: slice.by, name: slice.name, rows: rows.length, ...part }];
  });
  const differences = amongMany(parts.map(({ versusSource }) => versusSource));
  return {
    name: metric.name,
    unit: metric.unit,
    better: metric.better,
    ...compared(own, source),
    slices: parts.map((part, i) => ({ ...part, versusSource: differences[i] ?? null })),
  };
}
