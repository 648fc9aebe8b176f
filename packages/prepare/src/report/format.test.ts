import { describe, expect, it } from 'vitest';
import { formatBytes, formatChange, formatMs, formatSpeed } from './format.ts';
import { describeGate } from './gates.ts';

describe('numbers for people', () => {
  it.each([
    [0, '0 B'],
    [999, '999 B'],
    [26_454, '26.5 KB'],
    [999_499, '999 KB'],
    [999_500, '1.00 MB'],
    [4_743_641, '4.74 MB'],
    [2 ** 53, '9007 TB'],
  ])('%d bytes is %s', (bytes, text) => expect(formatBytes(bytes)).toBe(text));

  it.each([
    [0.0301, '30.1 µs'],
    [0.9996, '1.00 ms'],
    [12.345, '12.3 ms'],
    [4200, '4.20 s'],
  ])('%d ms is %s', (ms, text) => expect(formatMs(ms)).toBe(text));

  it('says changes with a sign and speeds in words', () => {
    expect(formatChange(50, 100)).toBe('−50 %');
    expect(formatChange(103, 100)).toBe('+3 %');
    expect(formatChange(100, 100)).toBe('±0 %');
    expect(formatChange(9121, 100)).toBe('×91');
    expect(formatChange(1, 0)).toBe('–');
    expect(formatSpeed(1.92)).toBe('1.9× slower');
    expect(formatSpeed(0.25)).toBe('4.0× faster');
  });

  it('says what a gate wanted', () => {
    const gate = { gate: 'p99Ms', of: null, bound: 5, actual: 6.1, passed: false } as const;
    expect(describeGate(gate)).toBe('p99 latency 6.10 ms, at most 5.00 ms');
    expect(describeGate({ ...gate, actual: null })).toBe('p99 latency not measured, at most 5.00 ms');
  });
});
