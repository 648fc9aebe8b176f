/** What is different between two models: the data behind `slipway diff`. */
import type { Latency, MetricValue, Parity, Size } from '@slipway/core';
import { type Change, compareModels, type ModelDifference, readModelFile } from '@slipway/onnx';
import { compareLineage } from './lineage.ts';
import { type Trial, tryBoth } from './run.ts';
import { openSide, type Side } from './side.ts';

export interface Measurements {
  /** The candidate of its build that became this release. */
  readonly candidate: string;
  readonly size: Size | null;
  readonly metrics: readonly MetricValue[];
  readonly latency: Latency | null;
  readonly peakRssBytes: number | null;
  readonly parity: Parity | null;
  /** Where the times were taken: they compare only with times of the same host. */
  readonly host: { readonly cpu: string; readonly cores: number };
}

interface ComparedSide {
  readonly name: string;
  readonly digest: string;
  readonly bytes: number;
  readonly measured: Measurements | null;
}

export interface Difference {
  readonly before: ComparedSide;
  readonly after: ComparedSide;
  /** The same bytes. */
  readonly identical: boolean;
  readonly model: ModelDifference;
  /** null when one of them is a file, which does not say how it came to be. */
  readonly lineage: readonly Change<string>[] | null;
  /** null unless it was asked for. */
  readonly trial: Trial | null;
}

export interface DiffOptions {
  readonly cwd: string;
  readonly store: string;
  /** Also run both, on made-up rows. */
  readonly run: boolean;
  readonly signal: AbortSignal;
}

/** @throws what opening, reading and running either of them throws */
export async function diffModels(before: string, after: string, options: DiffOptions): Promise<Difference> {
  const [first, second] = [
    await openSide(before, options.cwd, options.store),
    await openSide(after, options.cwd, options.store),
  ];
  const model = compareModels(await readModelFile(first.model), await readModelFile(second.model));
  const lineages = [first, second].flatMap(({ manifest }) => manifest?.lineage ?? []);
  const [a, b] = lineages;
  return {
    before: describe(first),
    after: describe(second),
    // External data beside a file is not part of its digest.
    identical: first.digest === second.digest && model.values.length === 0,
    model,
    lineage: a === undefined || b === undefined ? null : compareLineage(a, b),
    trial: options.run ? await tryBoth(first, second, options.signal) : null,
  };
}

function describe({ name, digest, bytes, measured }: Side): ComparedSide {
  if (measured === null) return { name, digest, bytes, measured: null };
  const { candidate, report } = measured;
  const { size, metrics, latency, peakRssBytes, parity } = candidate;
  const { cpu, cores } = report.host;
  return {
    name,
    digest,
    bytes,
    measured: { candidate: candidate.name, size, metrics, latency, peakRssBytes, parity, host: { cpu, cores } },
  };
}
