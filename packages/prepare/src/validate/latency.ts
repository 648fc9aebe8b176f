/**
 * Latency of several models on one machine, measured so that they can be compared: all runners are alive at once and take turns
 * in short rounds, each round with other rows and another order. What the machine does meanwhile then hits all alike,
 * and shows as noise within rounds instead of a difference between models.
 */
import type { Dataset } from '@slipway/core';
import type { Runner } from '@slipway/runtime';
import { median } from './quantile.ts';
import { wrapAround } from './calls.ts';

/** Enough rounds for an interval, few enough that a round is longer than the switch to it. */
const MAX_ROUNDS = 15;
/** Another process ran since: the first calls of a round fill caches and are not counted. */
const ROUND_WARMUP = 3;

export interface LatencySettings {
  readonly batch: number;
  readonly iterations: number;
  readonly warmup: number;
}

export interface RoundTimes {
  /** Every timed call, milliseconds. */
  readonly timesMs: Float64Array;
  /** Median of each round, milliseconds; the same rounds for all models. */
  readonly roundMs: Float64Array;
}

export interface MeasureControl {
  readonly signal: AbortSignal;
  readonly onRound: (done: number, total: number) => void;
}

/** @param runners by name; every one takes the rows of `dataset` */
export async function measureInterleaved(
  runners: ReadonlyMap<string, Pick<Runner, 'measure'>>,
  dataset: Dataset,
  settings: LatencySettings,
  { signal, onRound }: MeasureControl,
): Promise<ReadonlyMap<string, RoundTimes>> {
  const { batch, iterations, warmup } = settings;
  const rounds = Math.max(1, Math.min(MAX_ROUNDS, Math.floor(iterations / 2)));
  const perRound = Math.ceil(iterations / rounds);
  const names = [...runners.keys()];
  const times = new Map(
    names.map((name) => [name, { all: new Float64Array(rounds * perRound), medians: new Float64Array(rounds) }]),
  );
  for (const runner of runners.values()) {
    signal.throwIfAborted();
    if (warmup > 0) await runner.measure(wrapAround(dataset, 0, batch), { warmup, iterations: 1 });
  }
  for (let round = 0; round < rounds; round++) {
    const inputs = wrapAround(dataset, round * batch, batch);
    // Rotated, so that nobody always runs after the same neighbour's hot or cold caches.
    for (let turn = 0; turn < names.length; turn++) {
      signal.throwIfAborted();
      const name = names[(turn + round) % names.length] ?? '';
      const { timesMs } = (await runners
        .get(name)
        ?.measure(inputs, { warmup: ROUND_WARMUP, iterations: perRound })) ?? {
        timesMs: new Float64Array(0),
      };
      const own = times.get(name);
      own?.all.set(timesMs, round * perRound);
      own?.medians.set([median(timesMs)], round);
    }
    onRound(round + 1, rounds);
  }
  return new Map([...times].map(([name, { all, medians }]) => [name, { timesMs: all, roundMs: medians }]));
}
