/** Gates: bounds on measured figures. What could not be measured has not passed. */
import type { CandidateReport, GateResult, Gates } from '@slipway/core';
import { describeGate, GATES, NO_NOISE_DB } from '../report/format.ts';

type Figures = Pick<CandidateReport, 'size' | 'accuracy' | 'latency' | 'parity' | 'peakRssBytes'>;

/** @param source figures of the source, which relative gates compare with */
export function evaluateGates(gates: Gates, own: Figures, source: Figures): GateResult[] {
  const figures = measured(own, source);
  return (Object.keys(GATES) as (keyof Gates)[]).flatMap((gate) => {
    const bound = gates[gate];
    if (bound === undefined) return [];
    const actual = figures[gate];
    const within = actual !== null && (GATES[gate].bound === 'at most' ? actual <= bound : actual >= bound);
    return [{ gate, bound, actual, passed: within }];
  });
}

function measured(own: Figures, source: Figures): Record<keyof Gates, number | null> {
  const { accuracy, latency, parity, size } = own;
  return {
    accuracy: accuracy?.value ?? null,
    accuracyDrop: accuracy === null || source.accuracy === null ? null : source.accuracy.value - accuracy.value,
    p50Ms: latency?.p50Ms ?? null,
    p99Ms: latency?.p99Ms ?? null,
    // The source is as fast as itself. A candidate's ratio is that of paired rounds, which noise reaches least.
    slowdown: latency === null ? null : (latency.versusSource?.ratio ?? 1),
    bytes: size?.bytes ?? null,
    compressedBytes: size?.compressedBytes ?? null,
    peakRssBytes: own.peakRssBytes,
    sqnrDb: parity === null ? null : (parity.sqnrDb ?? NO_NOISE_DB),
    cosine: parity?.cosine ?? null,
    argmaxAgreement: parity?.argmaxAgreement ?? null,
  };
}

export interface NearMiss {
  readonly candidate: string;
  /** The gates it broke, for people. */
  readonly broken: string;
}

/** The candidate that came closest to passing: whose worst broken gate is missed by the smallest share of its bound. */
export function nearestMiss(candidates: readonly Pick<CandidateReport, 'name' | 'gates'>[]): NearMiss | null {
  let best: NearMiss | null = null;
  let least = Infinity;
  for (const { name, gates } of candidates) {
    const broken = gates.filter((gate) => !gate.passed);
    if (broken.length === 0) continue;
    const worst = Math.max(...broken.map(miss));
    if (worst < least || best === null) {
      least = worst;
      best = { candidate: name, broken: broken.map(describeGate).join('; ') };
    }
  }
  return best;
}

function miss({ actual, bound }: GateResult): number {
  if (actual === null) return Number.MAX_VALUE;
  return Math.abs(actual - bound) / Math.max(Math.abs(bound), Number.EPSILON);
}
