import { type Report, type SensitivityReport, type Trial, randomStream } from '@slipway/core';
import { describe, expect, it } from 'vitest';
import { digitsReport } from '../../testing/reports.ts';
import { renderReport } from '../terminal.ts';
import { textWidth } from '../text.ts';
import { renderPage } from './page.ts';

/** A search of `count` trials of every kind, of which the fifth is the best. */
function searched(count: number): Report {
  const random = randomStream(4);
  const outcomes = ['held', 'rejected', 'rejected', 'same', 'error'] as const;
  const ends = ['done', 'rows', 'evaluation', 'done', 'passes'] as const;
  const trials = Array.from({ length: count }, (_, i): Trial => {
    const kind = i < 8 ? 0 : i % outcomes.length;
    const outcome = i < 8 ? 'finalist' : (outcomes[kind] ?? 'held');
    const known = outcome === 'finalist' || outcome === 'held';
    return {
      number: i + 1,
      name: `small#${i + 1}`,
      passes: [{ pass: 'prune.magnitude', rule: 'ratio', ratio: 0.5 }],
      end: ends[kind] ?? 'done',
      outcome,
      reason: known ? null : `reason ${i}`,
      bytes: outcome === 'error' ? null : 10_000 + Math.round(random() * 16_000),
      compressedBytes: known ? 9000 : null,
      metric: known ? 0.97 + 0.02 * random() : null,
      timeRatio: known ? 0.5 + random() : null,
      peakRssBytes: null,
      durationMs: 300,
      cached: i < 20,
      best: i === 0 || i === 4,
    };
  });
  return { ...digitsReport(), search: { sampler: 'tpe', points: null, ended: 'trials', trials } };
}

const sensitivity = (count: number): SensitivityReport => ({
  pass: 'quantize.static',
  rows: 64,
  layers: Array.from({ length: count }, (_, i) => ({
    name: `/encoder/layer.${i}/<b>`,
    operator: 'MatMul',
    nmseAlone: i === count - 1 ? 0 : 10 ** -i,
    nmseWithout: 0.1,
    metricDrop: i === 0 ? 0.3 : 0,
    leftOut: i < 2,
  })),
  steps: [
    { leftOut: 0, metric: 0.5, sqnrDb: 3, holds: false },
    { leftOut: 2, metric: 0.98, sqnrDb: 30, holds: true },
  ],
});

const withLayers = (count: number): Report => {
  const report = digitsReport();
  return {
    ...report,
    candidates: report.candidates.map((one, i) => (i === 2 ? { ...one, sensitivity: sensitivity(count) } : one)),
  };
};

describe('a search in the page', () => {
  it('shows every trial as a point, and few of them as rows before they are asked for', () => {
    const html = renderPage(searched(200));
    const [open = '', folded = ''] = html.slice(html.indexOf('<h2>Finalists</h2>')).split('<details>');
    expect(open.match(/<td><b>small#/g)).toHaveLength(8);
    expect(folded).toContain('192 other trials');
    const chart = html.slice(
      html.indexOf('aria-label="Trials over time"'),
      html.indexOf('<div class="legend"><span><b>'),
    );
    expect(chart.match(/<circle/g)).toHaveLength(200);
    expect(html).toContain('200 trials in a space without end, sampler tpe');
    expect(html).toContain('20 were taken over from an earlier build');
    expect(html).not.toMatch(/NaN|undefined|Infinity/);
  });

  it('says what stopped the others', () => {
    const html = renderPage(searched(200));
    expect(html).toContain('broke a gate on the metric, seen on some rows');
    expect(html).toContain('gave the model of another trial');
    expect(html).toContain('reason 11');
  });

  it.each([1, 2, 12, 13])('has room for %i trials', (count) => {
    const html = renderPage(searched(count));
    expect(html).not.toMatch(/NaN|undefined|Infinity/);
    expect(html.includes('other trials')).toBe(count > 12);
  });

  it('is left out where nothing was searched', () => {
    expect(renderPage(digitsReport())).not.toContain('<h2>Search</h2>');
  });
});

describe('sensitive layers in the page', () => {
  it('are bars, the worst first, with what was left out', () => {
    const html = renderPage(withLayers(5));
    const card = html.slice(html.indexOf('<h2>Layers that quantize.static hurts'));
    expect(card).toContain('2 of 5 layers were left out.');
    expect(card).toContain('none left out ✗, 2 left out ✓');
    expect(card).toContain('/encoder/layer.0/&lt;b&gt;');
    expect(card).toContain('accuracy −30.00 points');
    expect(card).toContain('no noise');
    expect(html).not.toMatch(/NaN|undefined|Infinity/);
  });

  it('are cut where they are no picture any more', () => {
    const html = renderPage(withLayers(300));
    expect(html).toContain('The 24 most sensitive are shown.');
    expect(html).not.toContain('layer.24/');
  });
});

describe('a search in the terminal', () => {
  it('is a few lines, however many trials there were', () => {
    const text = renderReport(searched(200), { width: 100, color: false });
    expect(text).toContain('Search (tpe): 200 trials:');
    expect(text).toContain('The best was found as trial 5: prune.magnitude { rule: "ratio", ratio: 0.5 }.');
    expect(text.split('\n').length).toBeLessThan(25);
    const layers = renderReport(withLayers(5), { width: 100, color: false });
    expect(layers).toContain('int8-static leaves out 2 of 5 layers: /encoder/layer.0/<b>, /encoder/layer.1/<b>.');
    for (const width of [40, 80, 120]) {
      const lines = renderReport(searched(200), { width, color: false }).split('\n');
      expect(Math.max(...lines.map(textWidth))).toBeLessThanOrEqual(width);
    }
  });
});
