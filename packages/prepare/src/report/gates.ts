/** Gates in words: what was measured, and what was wanted. */
import type { GateResult, GateSubject, NumericGate } from '@slipway/core';
import { decibels, formatBytes, formatMs, formatShare, significant } from './format.ts';
import { formatGap, formatMetric } from './metrics.ts';

interface GateText {
  readonly label: string;
  /** Whether the bound is a largest or a smallest value. */
  readonly bound: 'at most' | 'at least';
  readonly format: (value: number) => string;
}

export const GATES: Readonly<Record<Exclude<NumericGate, 'metric' | 'drop'>, GateText>> = {
  p50Ms: { label: 'p50 latency', bound: 'at most', format: formatMs },
  p99Ms: { label: 'p99 latency', bound: 'at most', format: formatMs },
  slowdown: { label: 'time against source', bound: 'at most', format: (value) => `${significant(value)}×` },
  bytes: { label: 'size', bound: 'at most', format: formatBytes },
  compressedBytes: { label: 'compressed size', bound: 'at most', format: formatBytes },
  peakRssBytes: { label: 'peak memory', bound: 'at most', format: formatBytes },
  sqnrDb: { label: 'SQNR', bound: 'at least', format: decibels },
  cosine: { label: 'cosine similarity', bound: 'at least', format: (value) => value.toFixed(5) },
  argmaxAgreement: { label: 'same class as source', bound: 'at least', format: formatShare },
};

/** `p99 latency 6.10 ms, at most 5.00 ms` */
export function describeGate({ gate, of, actual, bound }: GateResult): string {
  const text = gate === 'metric' || gate === 'drop' ? metricText(gate, of ?? UNKNOWN) : GATES[gate];
  return `${text.label} ${actual === null ? 'not measured' : text.format(actual)}, ${text.bound} ${text.format(bound)}`;
}

/** Reports of gates on metrics name the metric; this stands for one that does not. */
const UNKNOWN: GateSubject = { metric: 'metric', unit: 'plain', better: 'higher', slice: null, evidence: 'estimate' };

function metricText(gate: 'metric' | 'drop', { metric, unit, better, slice, evidence }: GateSubject): GateText {
  const place = slice === null ? '' : ` of ${slice.by} ${slice.name}`;
  // The end of the interval that was held against the bound.
  const end = { estimate: '', shown: ' at best', confident: ' at worst' }[evidence];
  const loss = better === 'higher' ? ' drop' : ' rise';
  const label = `${metric}${gate === 'drop' ? loss : ''}${place}${end}`;
  if (gate === 'metric') {
    return { label, bound: better === 'higher' ? 'at least' : 'at most', format: (value) => formatMetric(value, unit) };
  }
  return { label, bound: 'at most', format: (value) => `${value < 0 ? '−' : ''}${formatGap(value, unit)}` };
}
