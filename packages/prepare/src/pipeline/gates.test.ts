import { describe, expect, it } from 'vitest';
import { digitsReport } from '../testing/reports.ts';
import type { Gates, MetricValue } from '@slipway/core';
import { describeGate } from '../report/gates.ts';
import { evaluateGates, nearestMiss } from './gates.ts';

const [source, pruned, quantized] = digitsReport().candidates;

describe('gates', () => {
  it('compare with bounds in the right direction, and with the source where they are relative', () => {
    const gates = { drop: 0.01, p50Ms: 0.03, bytes: 20_000, sqnrDb: 20, slowdown: 1.5, argmaxAgreement: 0.9 };
    const passed = evaluateGates(gates, quantized!, source!).filter((gate) => gate.passed);
    expect(passed.map(({ gate }) => gate)).toEqual(['drop', 'bytes', 'sqnrDb', 'argmaxAgreement']);
    expect(evaluateGates({ drop: 0.01 }, pruned!, source!)[0]).toMatchObject({ passed: false, bound: 0.01 });
  });

  it('hold for the source itself where it is compared with itself', () => {
    const gates = { drop: 0, slowdown: 1, sqnrDb: 60, cosine: 0.99 };
    expect(evaluateGates(gates, source!, source!).every((gate) => gate.passed)).toBe(true);
  });

  it('fail on what was not measured', () => {
    const unmeasured = { name: 'broken', size: null, metrics: [], latency: null, parity: null, peakRssBytes: null };
    const gates = { metric: 0.1, drop: 1, p99Ms: 1000, bytes: 1e9, cosine: -1, slowdown: 100 };
    const results = evaluateGates(gates, unmeasured, source!);
    expect(results).toHaveLength(6);
    expect(results.every((gate) => !gate.passed && gate.actual === null)).toBe(true);
  });

  const estimate = (value: number, low: number, high: number, rows = 100) => ({
    value,
    low,
    high,
    confidence: 0.95,
    method: 'wilson' as const,
    rows,
  });
  const change = (value: number, low: number, high: number) => ({
    value,
    low,
    high,
    confidence: 0.95,
    p: 0.001,
    test: 'mcnemar' as const,
    verdict: 'worse' as const,
    lost: 1,
    gained: 0,
  });
  const figures = (metric: MetricValue) => ({ ...quantized!, metrics: [metric] });
  const accuracy: MetricValue = {
    name: 'accuracy',
    unit: 'share',
    better: 'higher',
    value: estimate(0.9, 0.85, 0.94),
    versusSource: change(-0.02, -0.035, -0.004),
    slices: [
      { by: 'class', name: 'cat', rows: 50, value: estimate(0.8, 0.7, 0.9), versusSource: change(-0.1, -0.2, -0.04) },
      { by: 'class', name: 'dog', rows: 10, value: estimate(0.1, 0, 0.3), versusSource: change(-0.9, -1, -0.5) },
    ],
  };
  const perplexity: MetricValue = {
    name: 'perplexity',
    unit: 'plain',
    better: 'lower',
    value: estimate(12, 11, 13),
    versusSource: change(0.5, 0.2, 0.8),
    slices: [],
  };
  const passes = (gates: Gates, metric: MetricValue): readonly boolean[] =>
    evaluateGates(gates, figures(metric), source!).map(({ passed }) => passed);

  it('hold bounds against the estimate, or against an end of the interval', () => {
    for (const [evidence, expected] of [
      ['estimate', [true, false]],
      ['shown', [true, true]],
      ['confident', [false, false]],
    ] as const) {
      expect(passes({ metric: 0.88, drop: 0.01, evidence }, accuracy)).toEqual(expected);
    }
    expect(passes({ drop: 0.03 }, accuracy)).toEqual([true]);
    expect(passes({ drop: 0.03, evidence: 'confident' }, accuracy)).toEqual([false]);
    expect(passes({ drop: 0.035, evidence: 'confident' }, accuracy)).toEqual([true]);
  });

  it('turn round where less is better', () => {
    for (const [evidence, expected] of [
      ['estimate', [true, false]],
      ['shown', [true, true]],
      ['confident', [false, false]],
    ] as const) {
      expect(passes({ metric: 12.5, drop: 0.3, evidence }, perplexity)).toEqual(expected);
    }
    const results = evaluateGates({ metric: 11.5, drop: 0.3 }, figures(perplexity), source!);
    expect(results.map(describeGate)).toEqual([
      'perplexity 12.00, at most 11.50',
      'perplexity rise 0.500, at most 0.300',
    ]);
  });

  it('protect slices, but judge none that are too small', () => {
    const results = evaluateGates({ slices: { drop: 0.05 } }, figures(accuracy), source!);
    expect(results.map(describeGate)).toEqual(['accuracy drop of class cat 10.00 points, at most 5.00 points']);
    expect(passes({ slices: { drop: 0.05, evidence: 'shown' } }, accuracy)).toEqual([true]);
    expect(passes({ slices: { drop: 0.05, metric: 0.5, rows: 10 } }, accuracy)).toEqual([true, false, false, false]);
    expect(passes({ evidence: 'shown', slices: { drop: 0.03 } }, accuracy)).toEqual([false]);
  });

  it('are about other metrics by name, and fail on one that has no value or no interval', () => {
    const own = { ...quantized!, metrics: [accuracy, perplexity] };
    const results = evaluateGates({ metrics: { perplexity: { metric: 11, drop: 1 } } }, own, source!);
    expect(results.map(({ gate, passed }) => [gate, passed])).toEqual([
      ['metric', false],
      ['drop', true],
    ]);
    expect(passes({ metric: 0.1 }, { ...accuracy, value: null })).toEqual([false]);
    const endless = { ...perplexity, value: { ...perplexity.value!, low: null, high: null } };
    expect(passes({ metric: 100 }, endless)).toEqual([true]);
    expect(passes({ metric: 100, evidence: 'confident' }, endless)).toEqual([false]);
  });

  it('name the candidate that missed by the smallest share', () => {
    const gate = (actual: number | null) => ({ gate: 'p99Ms', of: null, bound: 10, actual, passed: false }) as const;
    const candidates = [
      { name: 'far', gates: [gate(30)] },
      { name: 'near', gates: [gate(11), { ...gate(2), passed: true }] },
      { name: 'unknown', gates: [gate(null)] },
    ];
    expect(nearestMiss(candidates)).toEqual({ candidate: 'near', broken: 'p99 latency 11.0 ms, at most 10.0 ms' });
    expect(nearestMiss([{ name: 'fine', gates: [] }])).toBeNull();
  });
});
