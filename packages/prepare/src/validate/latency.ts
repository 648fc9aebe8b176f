/**
 * Latency of several models on one machine, measured so that they can be compared: all runners are alive at once and take turns
 * in short rounds, each round with other rows and another order. What the machine does meanwhile then hits all alike,
 * and shows as noise within rounds instead of a difference between models.
 */
import { asSlipwayError, type Dataset, SlipwayError } from '@slipway/core';
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

/**
 * @param runners by name; every one takes the rows of `dataset`
 * @returns for every name its times, or the error that ended it; the others go on without it
 */
export async function measureInterleaved(
  runners: ReadonlyMap<string, Pick<Runner, 'measure'>>,
  dataset: Dataset,
  settings: LatencySettings,
  { signal, onRound }: MeasureControl,
): Promise<ReadonlyMap<string, RoundTimes | SlipwayError>> {
  const { batch, iterations, warmup } = settings;
  const rounds = Math.max(1, Math.min(MAX_ROUNDS, Math.floor(iterations / 2)));
  const perRound = Math.ceil(iterations / rounds);
  const results = new Map<string, RoundTimes | SlipwayError>();
  const running = [...runners].map(([name, runner]) => {
    const own: RoundTimes = { timesMs: new Float64Array(rounds * perRound), roundMs: new Float64Array(rounds) };
    results.set(name, own);
    return { name, runner, own };
  });
  const attempt = async (name: string, work: () => Promise<void>): Promise<void> => {
    signal.throwIfAborted();
    if (results.get(name) instanceof SlipwayError) return;
    try {
      await work();
    } catch (error) {
      results.set(name, asSlipwayError(error));
    }
  };
  for (const { name, runner } of running) {
    if (warmup === 0) continue;
    await attempt(name, async () => {
      await runner.measure(wrapAround(dataset, 0, batch), { warmup, iterations: 1 });
    });
  }
  for (let round = 0; round < rounds; round++) {
    const inputs = wrapAround(dataset, round * batch, batch);
    // Rotated, so that nobody always runs after the same neighbour's hot or cold caches.
    const turns = [...running.slice(round % running.length), ...running.slice(0, round % running.length)];
    for (const { name, runner, own } of turns) {
      await attempt(name, async () => {
        const { timesMs } = await runner.measure(inputs, { warmup: ROUND_WARMUP, iterations: perRound });
        own.timesMs.set(timesMs, round * perRound);
        own.roundMs[round] = median(timesMs);
      });
    }
    onRound(round + 1, rounds);
  }
  return results;
}
