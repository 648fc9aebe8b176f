/**
 * The user's own function: a number per row, of which the metric is the mean, so that intervals, slices and paired tests hold for it
 * as for any other. It runs in this process, on tensors that are its own to read. Whatever it throws or gives back
 * wrong is one error that names the metric and the row.
 */
import { statSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { stripVTControlCharacters } from 'node:util';
import {
  type Digest,
  digestOf,
  digestOfFile,
  fail,
  type MetricCall,
  type MetricFunction,
  type MetricSpec,
  rows,
  type SlipwayError,
  type Tensors,
} from '@slipway/core';
import { meanFigure, type Metric } from '../metric.ts';

type Spec = Extract<MetricSpec, { metric: 'custom' }>;

export function custom(name: string, spec: Spec): Metric {
  let loaded: Promise<MetricFunction> | undefined;
  return {
    name,
    unit: 'plain',
    better: spec.better ?? 'higher',
    needsLabels: spec.labels ?? true,
    isProportion: false,
    byClass: true,
    resamples: true,
    figure: meanFigure,
    reader: () => async (call, keep) => {
      loaded ??=
        typeof spec.function === 'string' ? importFunction(name, spec.function) : Promise.resolve(spec.function);
      const own = await loaded;
      const figures = apply(name, own, call);
      for (const figure of figures) keep([figure]);
    },
  };
}

/**
 * What the results of a metric depend on, for the cache: a function's text, or the content of its file.
 * @throws METRIC_FAILED when the file cannot be read
 */
export async function identityOf(spec: MetricSpec): Promise<unknown> {
  if (spec.metric !== 'custom') return spec;
  const from: Digest =
    typeof spec.function === 'string'
      ? await digestOfFunction(spec.name, spec.function)
      : digestOf(spec.function.toString());
  return { ...spec, function: from };
}

async function digestOfFunction(metric: string, file: string): Promise<Digest> {
  try {
    return await digestOfFile(file);
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    throw failed(metric, `${file} cannot be loaded: ${missing ? 'no such file' : messageOf(error)}`, error);
  }
}

const failed = (metric: string, problem: string, cause?: unknown): SlipwayError =>
  fail('METRIC_FAILED', { metric, problem }, cause === undefined ? {} : { cause });

async function importFunction(metric: string, file: string): Promise<MetricFunction> {
  let exported: unknown;
  try {
    // The query makes a file that changed since it was last imported a new module.
    const url = `${pathToFileURL(file).href}?changed=${statSync(file).mtimeMs}`;
    exported = ((await import(url)) as { default?: unknown }).default;
  } catch (error) {
    throw failed(metric, `${file} cannot be loaded: ${messageOf(error)}`, error);
  }
  if (typeof exported === 'function') return exported as MetricFunction;
  throw failed(metric, `${file} must have a function as its default export, a number for each row of a call`);
}

function apply(metric: string, own: MetricFunction, call: MetricCall): readonly number[] {
  let figures: ArrayLike<number>;
  try {
    figures = own(call);
  } catch (error) {
    throw failed(metric, `${guiltyRow(own, call)}: ${messageOf(error)}`, error);
  }
  const given: unknown = figures;
  const length = typeof given === 'object' && given !== null && 'length' in given ? given.length : null;
  if (length !== call.rows) {
    const what = length === null ? `gave ${typeof given}` : `gave ${JSON.stringify(length)} numbers`;
    throw failed(
      metric,
      `it ${what} for the ${call.rows} rows from row ${call.firstRow} on; one number per row is needed`,
    );
  }
  return Array.from(figures, (figure: unknown, row) => {
    if (typeof figure === 'number' && Number.isFinite(figure)) return figure;
    const shown = typeof figure === 'number' ? String(figure) : typeof figure;
    throw failed(metric, `row ${call.firstRow + row}: it gave ${shown}, not a finite number`);
  });
}

/** The first row on which the function fails alone; the rows of the call when it only fails on them together. */
function guiltyRow(own: MetricFunction, call: MetricCall): string {
  for (let row = 0; row < call.rows; row++) {
    try {
      own(oneRow(call, row));
    } catch {
      return `row ${call.firstRow + row}`;
    }
  }
  return `rows ${call.firstRow} to ${call.firstRow + call.rows - 1}`;
}

function oneRow(call: MetricCall, row: number): MetricCall {
  const pick = (tensors: Tensors): Tensors =>
    Object.fromEntries(
      Object.entries(tensors).map(([name, value]) => [
        name,
        value.shape[0] === call.rows ? rows(value, row, row + 1) : value,
      ]),
    );
  return {
    inputs: pick(call.inputs),
    outputs: pick(call.outputs),
    source: pick(call.source),
    labels: call.labels === null ? null : rows(call.labels, row, row + 1),
    rows: 1,
    firstRow: call.firstRow + row,
  };
}

/** The first line: a parser's error goes on with a picture of the source. */
const messageOf = (error: unknown): string =>
  (error instanceof Error ? stripVTControlCharacters(error.message) : String(error)).split('\n')[0] ?? '';
