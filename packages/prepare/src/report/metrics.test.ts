import type { MetricDifference, MetricValue } from '@slipway/core';
import { describe, expect, it } from 'vitest';
import { digitsReport } from '../testing/reports.ts';
import { renderPage } from './html/page.ts';
import { describeDifference, formatEstimate, formatMetric, metricNotes } from './metrics.ts';

const estimate = { value: 0.9893, low: 0.987, high: 0.991, confidence: 0.95, method: 'wilson', rows: 9000 } as const;
const difference = (value: number, low: number, high: number, p: number, verdict: MetricDifference['verdict']) =>
  ({ value, low, high, p, verdict, confidence: 0.95, test: 'mcnemar', lost: 3, gained: 1 }) as const;

describe('metrics in words', () => {
  it('say a value with half its interval, in its unit', () => {
    expect(formatEstimate(estimate, 'share')).toBe('98.93 ±0.20 %');
    expect(formatEstimate({ ...estimate, low: null, high: null }, 'share')).toBe('98.93 %');
    const perplexity = { ...estimate, value: 12.3456, low: 12.1, high: 12.6 };
    expect(formatEstimate(perplexity, 'plain')).toBe('12.35 ±0.25');
    expect(formatEstimate({ ...estimate, value: 33.14, low: 32, high: 34 }, 'decibels')).toBe('33.1 ±1.0 dB');
    expect(formatMetric(999, 'decibels')).toBe('no noise');
    expect(formatEstimate({ ...estimate, value: 999, low: 999, high: 999 }, 'decibels')).toBe('no noise');
  });

  it('claim no more than was shown', () => {
    expect(describeDifference(difference(-0.0133, -0.0162, -0.0105, 1e-9, 'worse'), 'share')).toBe(
      'worse by 1.33 points (95 % 1.05 to 1.62, p < 0.001)',
    );
    expect(describeDifference(difference(0.004, 0.001, 0.007, 0.0042, 'better'), 'share')).toBe(
      'better by 0.40 points (95 % 0.10 to 0.70, p = 0.0042)',
    );
    expect(describeDifference(difference(-0.01, -0.03, 0.01, 0.42, 'same'), 'share')).toBe(
      'no difference shown (p = 0.42)',
    );
    expect(describeDifference(difference(0.5, 0.25, 0.75, 0.001, 'worse'), 'plain')).toBe(
      'worse by 0.500 (95 % 0.250 to 0.750, p = 0.0010)',
    );
  });

  const worse = difference(-0.1, -0.2, -0.05, 0.0001, 'worse');
  const metric: MetricValue = {
    name: 'accuracy',
    unit: 'share',
    better: 'higher',
    value: estimate,
    versusSource: difference(-0.001, -0.002, 0.001, 0.2, 'same'),
    slices: ['a', 'b', 'c', 'd', '<e>'].map((name) => ({
      by: 'group',
      name,
      rows: 40,
      value: estimate,
      versusSource: worse,
    })),
  };

  it('name the slices of the primary metric that are worse, and only the first of them', () => {
    const notes = metricNotes({ metrics: [metric, { ...metric, name: 'top-5' }] });
    expect(notes).toEqual([
      'accuracy: no difference shown (p = 0.20)',
      'accuracy of group a (40 rows): worse by 10.00 points (95 % 5.00 to 20.00, p < 0.001)',
      'accuracy of group b (40 rows): worse by 10.00 points (95 % 5.00 to 20.00, p < 0.001)',
      'accuracy of group c (40 rows): worse by 10.00 points (95 % 5.00 to 20.00, p < 0.001)',
      '… and 2 more slices are worse',
      'no difference shown: top-5 98.93 ±0.20 %',
    ]);
    const f1 = { ...metric, name: 'f1', versusSource: worse };
    const noise: MetricValue = { ...metric, name: 'sqnr', unit: 'decibels', value: { ...estimate, value: 33 } };
    const others = [{ ...metric, name: 'top-5' }, noise, f1, { ...metric, name: 'top-3' }];
    expect(metricNotes({ metrics: [{ ...metric, slices: [] }, ...others] })).toEqual([
      'accuracy: no difference shown (p = 0.20)',
      'f1: 98.93 ±0.20 %, worse by 10.00 points (95 % 5.00 to 20.00, p < 0.001)',
      'no difference shown: top-5 98.93 ±0.20 %, top-3 98.93 ±0.20 %',
      'sqnr 33.0 ±0.0 dB',
    ]);
    expect(metricNotes({ metrics: [{ ...metric, versusSource: null, slices: [] }] })).toEqual([]);
    expect(metricNotes({ metrics: [metric, { ...metric, value: null, versusSource: null }] }).at(-1)).toBe(
      'accuracy not defined',
    );
  });

  it('are all on the page, with every slice, and escaped', () => {
    const report = digitsReport();
    const [source, ...others] = report.candidates;
    const page = renderPage({ ...report, candidates: [{ ...source!, metrics: [metric] }, ...others] });
    expect(page).toContain('<h2>Metrics</h2>');
    expect(page).toContain('<summary>5 slices</summary>');
    expect(page).toContain('group <b>&lt;e&gt;</b>');
    expect(page).toContain('worse by 10.00 points');
    expect(page).not.toContain('NaN');
  });
});
