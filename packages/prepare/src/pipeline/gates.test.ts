import { describe, expect, it } from 'vitest';
import { digitsReport } from '../testing/reports.ts';
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
