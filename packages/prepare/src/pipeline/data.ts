/** The rows of a build: calibration and evaluation data, or generated rows when there are none, checked before anything is run. */
import { type Dataset, fail, findOverlap, fixedBatch, type MetricSpec, type Signature } from '@slipway/core';
import path from 'node:path';
import type { Imported } from '../import/import.ts';
import { loadRows } from '../transforms/raw-rows.ts';
import { generateRows } from '../validate/generated.ts';
import type { Metric } from '../validate/metric.ts';
import { identityOf } from '../validate/metrics/custom.ts';
import { createMetric } from '../validate/metrics/index.ts';
import { type Slice, slicesOf } from '../validate/slices.ts';
import type { BuildContext } from './context.ts';
import { checkMetricGates, specsFor } from './metrics.ts';

/** Rows made up when nobody gave any. */
const GENERATED_ROWS = 32;

export interface BuildData {
  readonly calibration: Dataset | null;
  /** What candidates are measured on. */
  readonly evaluation: Dataset;
  /** The evaluation rows were made up: they say nothing about accuracy. */
  readonly generated: boolean;
  /** What is measured on them, the primary metric first, and the entries of the config they come from. */
  readonly metrics: readonly Metric[];
  readonly specs: readonly MetricSpec[];
  readonly slices: readonly Slice[];
  /** The output that is read as the answer. */
  readonly output: string;
}

/** @throws DATA_FORMAT, DATA_MISMATCH, DATA_EMPTY, DATA_OVERLAP, CONFIG_INVALID, METRIC_FAILED, FILE_NOT_FOUND, FILE_UNREADABLE */
export async function loadData(
  { signature, transforms }: Imported,
  { config, tell }: BuildContext,
): Promise<BuildData> {
  tell('data', null, 'reading data', 0);
  const sources = config.data;
  const load = (source: typeof sources.evaluation): Promise<Dataset> | null =>
    source === null ? null : loadRows(source, signature, transforms, path.dirname(config.file));
  const calibration = await load(sources.calibration);
  const given = await load(sources.evaluation);
  if (calibration !== null && given !== null) {
    const overlap = findOverlap(given, calibration);
    if (overlap !== null) throw fail('DATA_OVERLAP', { count: overlap.count, row: overlap.row });
  }
  const perCall = fixedBatch(signature) ?? 1;
  const evaluation = given ?? generateRows(signature, Math.max(GENERATED_ROWS, perCall), config.seed);
  const { labels, rowCount } = evaluation;
  if (rowCount < perCall) {
    const problem = `the model takes exactly ${perCall} rows per call, the evaluation data has ${rowCount}`;
    throw fail('DATA_MISMATCH', { problem });
  }
  const output = answerOutput(signature, sources.output);
  checkLabels(signature, output, config.labels, config.file);
  const specs = specsFor(sources.metrics, { labelled: labels !== null, generated: given === null });
  const names = config.labels;
  const slices =
    specs.length === 0 ? [] : slicesOf(evaluation, { wanted: sources.slices, group: sources.group, names });
  const metrics = specs.map((spec) => createMetric(spec, { output, names }));
  checkMetricGates(config, metrics, slices);
  // A function that is not there is found now, and not after the passes.
  await Promise.all(specs.map(identityOf));
  tell('data', null, `${rowCount} rows`, 1);
  return {
    calibration,
    evaluation,
    generated: given === null,
    metrics,
    specs,
    slices,
    output,
  };
}

function answerOutput({ outputs }: Imported['signature'], named: string | null): string {
  if (named === null) return outputs[0]?.name ?? '';
  if (outputs.some(({ name }) => name === named)) return named;
  const known = outputs.map(({ name }) => `"${name}"`).join(', ');
  throw fail('DATA_MISMATCH', { problem: `data.output names "${named}"; the outputs of the model are ${known}` });
}

/** Names of classes are as many as there are classes, where the signature says how many. */
function checkLabels({ outputs }: Signature, name: string, labels: readonly string[] | null, file: string): void {
  const shape = outputs.find((output) => output.name === name)?.shape;
  const classes = shape?.length === 2 ? shape[1] : undefined;
  if (labels === null || typeof classes !== 'number' || classes === 1 || classes === labels.length) return;
  const problem = `labels: ${labels.length} names for the ${classes} classes of output "${name}"`;
  throw fail('CONFIG_INVALID', { path: file, problem });
}
