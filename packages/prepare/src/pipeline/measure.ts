/**
 * Latency and memory of candidates, from runners started as a server would start them (golden samples included). Candidates
 * are measured in groups that fit into memory together; the source is in every group, so that each is compared
 * with it in the same rounds.
 *
 * A group is measured again in every build unless the very same models were measured in the same way on the same host;
 * then the earlier figures are taken and marked as such.
 */
import { asSlipwayError, fixedBatch, type Latency, SlipwayError, SOURCE_CANDIDATE } from '@slipway/core';
import { hostFacts, type Runner } from '@slipway/runtime';
import { measureInterleaved } from '../validate/latency.ts';
import { summarizeTimes, type TimeSummary } from '../validate/quantile.ts';
import type { Assembled } from './assemble.ts';
import type { Made } from './candidate.ts';
import type { BuildContext } from './context.ts';
import type { BuildData } from './data.ts';
import type { Examined } from './examine.ts';
import { groupBySize } from './groups.ts';
import { openRunners } from './runners.ts';

const MEASURE_VERSION = 1;

export interface Measured {
  readonly summary: TimeSummary;
  /** For every round the median time relative to that of the source in the same round. */
  readonly relative: Float64Array;
  readonly peakRssBytes: number;
  readonly cached: Latency['cached'];
}

export interface Subject {
  readonly made: Made;
  readonly examined: Examined;
  readonly assembled: Assembled;
}

/** @param subjects the source first */
export async function measure(
  subjects: readonly Subject[],
  data: BuildData,
  context: BuildContext,
): Promise<ReadonlyMap<string, Measured | SlipwayError>> {
  const [source, ...candidates] = subjects;
  const results = new Map<string, Measured | SlipwayError>();
  if (source === undefined) return results;
  const groups = groupBySize(bytesOf(source), candidates, bytesOf, context.memoryBytes);
  for (const [i, group] of groups.entries()) {
    const measured = await measureGroup([source, ...group], data, context, { index: i, count: groups.length });
    for (const [name, result] of measured) {
      if (name !== SOURCE_CANDIDATE || !results.has(name)) results.set(name, result);
    }
  }
  return results;
}

const bytesOf = ({ assembled }: Subject): number => assembled.manifest.files.reduce((sum, file) => sum + file.size, 0);

interface Stored {
  readonly [name: string]: {
    readonly timesMs: readonly number[];
    readonly roundMs: readonly number[];
    readonly peakRssBytes: number;
  };
}

async function measureGroup(
  group: readonly Subject[],
  data: BuildData,
  context: BuildContext,
  turn: { readonly index: number; readonly count: number },
): Promise<ReadonlyMap<string, Measured | SlipwayError>> {
  const { cache, config, session, tools } = context;
  const [source] = group;
  const batch = fixedBatch(source?.assembled.manifest.signature ?? data.evaluation.signature) ?? config.measure.batch;
  const { iterations, warmup } = config.measure;
  const settings = { batch, iterations, warmup };
  const models = Object.fromEntries(group.map(({ made }) => [made.name, made.model.digest]));
  const material = {
    version: MEASURE_VERSION,
    models,
    rows: data.evaluation.digest,
    settings,
    session,
    tools,
    host: hostFacts(),
  };
  const found = await cache.find<Stored>('latency', material);
  const results = new Map<string, Measured | SlipwayError>();
  const stored = found?.value ?? (await run(group, data, settings, context, turn, results));
  if (found === null && results.size === 0) await cache.stage('latency', material, () => Promise.resolve(stored));
  const sourceMs = stored[SOURCE_CANDIDATE]?.roundMs ?? [];
  for (const [name, { timesMs, roundMs, peakRssBytes }] of Object.entries(stored)) {
    const summary = summarizeTimes(Float64Array.from(timesMs), batch, session.threads);
    const relative = Float64Array.from(roundMs, (ms, round) => ms / (sourceMs[round] ?? ms));
    results.set(name, { summary, relative, peakRssBytes, cached: found !== null });
  }
  return results;
}

/** @param failures receives the errors of candidates whose runner does not become ready or does not last */
async function run(
  group: readonly Subject[],
  data: BuildData,
  settings: { readonly batch: number; readonly iterations: number; readonly warmup: number },
  { session, log, signal, tell }: BuildContext,
  turn: { readonly index: number; readonly count: number },
  failures: Map<string, Measured | SlipwayError>,
): Promise<Stored> {
  await using open = openRunners(session, log, signal);
  const runners = new Map<string, Runner>();
  for (const { made, assembled } of group) {
    tell('measure', made.name, 'starting a runner', turn.index / turn.count);
    try {
      runners.set(made.name, await open.get(made.name, assembled.directory));
    } catch (error) {
      signal.throwIfAborted();
      failures.set(made.name, asSlipwayError(error));
    }
  }
  const times = await measureInterleaved(runners, data.evaluation, settings, {
    signal,
    onRound: (done, total) =>
      tell('measure', null, `round ${done} of ${total}`, (turn.index + done / total) / turn.count),
  });
  const stored: Record<string, Stored[string]> = {};
  for (const [name, result] of times) {
    if (result instanceof SlipwayError) {
      failures.set(name, result);
      continue;
    }
    const { timesMs, roundMs } = result;
    const { peakRssBytes } = (await runners.get(name)?.memory()) ?? { peakRssBytes: 0 };
    stored[name] = { timesMs: [...timesMs], roundMs: [...roundMs], peakRssBytes };
  }
  return stored;
}
