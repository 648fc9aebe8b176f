/**
 * When does a measured difference count? Two models are called different only when the evidence says so; otherwise the report
 * says "not distinguishable", and nothing is changed for a difference nobody can see.
 *
 * Times come in interleaved rounds, so what the machine did in a round hit all candidates alike: the evidence is the ratio
 * within each round, and its interval is bootstrapped over rounds (not over calls, which are correlated).
 * Answers come from the same rows, so the evidence is only the rows on which two models disagree (McNemar).
 */
import { randomStream, type RatioInterval } from '@slipway/core';
import { quantileOfSorted } from './quantile.ts';

/** 99 % and not 95 %: several candidates are compared in one build, and one false "faster" is one too many. */
const CONFIDENCE = 0.99;
const RESAMPLES = 4000;

/**
 * Two processes that host the same file differ by a few percent for as long as they live (memory layout, page colours),
 * which no number of rounds within them can average away. Differences below this are never called real. With it, of 60 pairs
 * of runners of one file on two cores that eleven other processes wanted, one pair was called different.
 */
const PROCESS_NOISE = 0.03;

/** Interval of the ratio of paired positive measurements, by percentile bootstrap over the pairs. */
export function ratioInterval(numerators: Float64Array, denominators: Float64Array, seed: number): RatioInterval {
  const rounds = Math.min(numerators.length, denominators.length);
  const logs = new Float64Array(rounds);
  for (let i = 0; i < rounds; i++) logs[i] = Math.log((numerators[i] ?? 1) / (denominators[i] ?? 1));
  const random = randomStream(seed);
  const means = new Float64Array(RESAMPLES);
  for (let sample = 0; sample < RESAMPLES; sample++) {
    let sum = 0;
    for (let i = 0; i < rounds; i++) sum += logs[Math.floor(random() * rounds)] ?? 0;
    means[sample] = sum / rounds;
  }
  means.sort();
  const tail = (1 - CONFIDENCE) / 2;
  return {
    ratio: Math.exp(logs.reduce((sum, value) => sum + value, 0) / rounds),
    low: Math.exp(quantileOfSorted(means, tail)),
    high: Math.exp(quantileOfSorted(means, 1 - tail)),
  };
}

export type Difference = 'less' | 'greater' | 'indistinguishable';

/** What the interval of a ratio says once the noise between processes is taken off. */
export function judgeRatio(interval: RatioInterval): Difference {
  if (interval.high < 1 - PROCESS_NOISE) return 'less';
  if (interval.low > 1 + PROCESS_NOISE) return 'greater';
  return 'indistinguishable';
}

/**
 * Two-sided exact McNemar test: the probability of a split at least this uneven among the rows that exactly
 * one of two equally good models answers correctly.
 */
export function mcnemar(onlyFirst: number, onlySecond: number): number {
  const total = onlyFirst + onlySecond;
  if (total === 0) return 1;
  const fewer = Math.min(onlyFirst, onlySecond);
  // Binomial(total, 1/2) summed in logarithms: 0.5^total underflows beyond a thousand disagreements.
  let logTerm = -total * Math.LN2;
  let tail = Math.exp(logTerm);
  for (let k = 1; k <= fewer; k++) {
    logTerm += Math.log((total - k + 1) / k);
    tail += Math.exp(logTerm);
  }
  return Math.min(1, 2 * tail);
}

/** Of a difference that is called real. */
export const SIGNIFICANCE = 0.01;
