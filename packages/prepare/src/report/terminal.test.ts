import { describe, expect, it } from 'vitest';
import { digitsReport } from '../testing/reports.ts';
import { renderReport } from './terminal.ts';
import { textWidth } from './text.ts';

describe('the terminal table', () => {
  it('reads well at 80 columns', () => {
    expect(renderReport(digitsReport(), { width: 80, color: false })).toMatchInlineSnapshot(`
      "digits  digits:3 is source
      objective latency · accuracy on 9,000 rows · 2 cores · onnxruntime 1.30.0 · Int…

      candidate          size     zstd       accuracy      p50      p99  verdict
      ★ source        26.5 KB  24.3 KB  98.93 ±0.21 %  30.1 µs  42.1 µs  winner
        no pass made it measurably faster
      ✗ pruned        26.5 KB  12.1 KB  97.60 ±0.32 %  30.3 µs  42.4 µs  failed
        accuracy drop 1.33 points, at most 1.00 points
        accuracy: worse by 1.33 points (95 % 1.12 to 1.59, p < 0.001)
      ✓ int8-static   12.9 KB  9.40 KB  98.92 ±0.21 %  58.1 µs  81.3 µs  passed
        passed, but is 1.9× slower than source
        accuracy: no difference shown (p = 1.0)
      ✓ int8-dynamic  11.5 KB  8.90 KB  98.96 ±0.21 %   138 µs   193 µs  passed
        passed, but is 4.6× slower than source
        accuracy: no difference shown (p = 0.50)

      The objective decides: latency → source, size → int8-dynamic, accuracy → source."
    `);
  });

  it('never exceeds the width it is given, down to where it must', () => {
    const report = digitsReport();
    for (let width = 24; width <= 160; width++) {
      const lines = renderReport(report, { width, color: false }).split('\n');
      expect(Math.max(...lines.map(textWidth)), `width ${width}`).toBeLessThanOrEqual(width);
    }
  });

  it('says which columns gave way last: name, verdict, accuracy', () => {
    const narrow = renderReport(digitsReport(), { width: 44, color: false });
    expect(narrow).toContain('accuracy');
    expect(narrow).not.toContain('p99');
  });

  it('cuts a long name instead of breaking the table', () => {
    const report = digitsReport();
    const [first, ...rest] = report.candidates;
    const long = { ...first!, name: 'x'.repeat(200), reason: 'y'.repeat(200) };
    const text = renderReport({ ...report, candidates: [long, ...rest] }, { width: 80, color: false });
    expect(Math.max(...text.split('\n').map(textWidth))).toBeLessThanOrEqual(80);
    expect(text).toContain('xxx…');
  });

  it('colours only when asked', () => {
    const escape = String.fromCharCode(27);
    expect(renderReport(digitsReport(), { width: 80, color: false })).not.toContain(escape);
    const colored = renderReport(digitsReport(), { width: 80, color: true });
    expect(colored).toContain(`${escape}[1;32m`);
    const stripped = colored.replaceAll(new RegExp(`${escape}\\[[\\d;]*m`, 'g'), '');
    expect(stripped).toBe(renderReport(digitsReport(), { width: 80, color: false }));
  });

  it('says what was not measured instead of what it would pick', () => {
    const choices = { latency: 'source', size: 'int8-dynamic', accuracy: null };
    const text = renderReport({ ...digitsReport(), choices }, { width: 120, color: false });
    expect(text).toContain('latency → source, size → int8-dynamic, accuracy was not measured.');
  });

  it('says which recipes are missing from the choice', () => {
    const report = digitsReport();
    const broken = (...names: string[]): string => {
      const candidates = report.candidates.map((one) =>
        names.includes(one.name) ? { ...one, verdict: 'error' as const, reason: 'why' } : one,
      );
      return renderReport({ ...report, candidates }, { width: 120, color: false });
    };
    expect(broken()).not.toContain('could not be made');
    expect(broken('pruned')).toContain('1 of 3 recipes could not be made or run; the reasons are above.');
    const all = broken('pruned', 'int8-static', 'int8-dynamic');
    expect(all).toContain('None of the 3 recipes could be made or run.\nNothing was released.');
    expect(all).not.toContain('Every objective');
  });

  it('says what is odd about the rows', () => {
    const oddities = ['3 of 9,000 evaluation rows have inputs that are NaN or infinite, first row 17 (input "x"): …'];
    expect(renderReport({ ...digitsReport(), oddities }, { width: 120, color: false })).toContain(oddities[0]);
    expect(renderReport(digitsReport(), { width: 120, color: false })).not.toContain('NaN');
  });

  it('says plainly that nothing was released', () => {
    const choices = { latency: null, size: null, accuracy: null };
    const text = renderReport({ ...digitsReport(), winner: null, release: null, choices }, { width: 80, color: false });
    expect(text).toContain('no candidate passed the gates');
    expect(text).toContain('Nothing was released.');
  });
});
