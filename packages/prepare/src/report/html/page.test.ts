import { describe, expect, it } from 'vitest';
import { digitsReport } from '../../testing/reports.ts';
import { escape, markup } from './markup.ts';
import { renderPage } from './page.ts';

const VOID = new Set(['meta', 'br', 'line', 'rect', 'circle', 'path']);

/** Names of elements that are opened and not closed, or closed and not opened. */
function unbalanced(html: string): string[] {
  const open: string[] = [];
  const wrong: string[] = [];
  for (const [, slash, name = '', rest = ''] of html.matchAll(/<(\/?)([a-z][a-z0-9]*)((?:\s[^<>]*)?)>/gi)) {
    if (VOID.has(name) || rest.endsWith('/')) continue;
    if (slash === '') open.push(name);
    else if (open.pop() !== name) wrong.push(name);
  }
  return [...open, ...wrong];
}

describe('the page', () => {
  it('is well formed and loads nothing', () => {
    const html = renderPage(digitsReport());
    expect(unbalanced(html)).toEqual([]);
    expect(html).not.toMatch(/<script|<link|<img|\ssrc=|href=|url\(|https?:/i);
    expect(html).toContain("default-src 'none'");
    expect(html).not.toContain('undefined');
    expect(html).not.toContain('NaN');
  });

  it('says which objective picks what, every reason and every gate', () => {
    const html = renderPage(digitsReport());
    expect(html).toContain('What each objective picks');
    for (const { name, reason } of digitsReport().candidates) {
      expect(html).toContain(name);
      expect(html).toContain(escape(reason));
    }
    expect(html).toContain('accuracy drop 1.33 points, at most 1.00 points');
  });

  it('escapes whatever a model or a user may be called', () => {
    const evil = `"><script>alert('x')</script>&\u0007`;
    const report = digitsReport();
    const [first, ...rest] = report.candidates;
    const hostile = {
      ...first!,
      name: evil,
      reason: evil,
      notes: [evil],
      passes: [{ pass: 'optimize' as const, level: evil as 'basic' }],
      sparsity: [{ name: evil, operator: evil, elements: 1, zeros: 1, dtype: evil }],
    };
    const html = renderPage({
      ...report,
      name: evil,
      winner: evil,
      candidates: [hostile, ...rest],
      host: { ...report.host, cpu: evil, cpuFlags: [`avx${evil}`] },
      tools: { [evil]: evil },
    });
    expect(html).not.toContain('<script');
    expect(html).not.toContain('\u0007');
    expect(unbalanced(html)).toEqual([]);
  });

  it('shows similarity when accuracy was not measured', () => {
    const report = digitsReport();
    const candidates = report.candidates.map((c) => ({ ...c, metrics: [] }));
    const choices = { ...report.choices, accuracy: null };
    const html = renderPage({ ...report, candidates, choices });
    expect(html).toContain('Similarity against latency');
    expect(html).toContain('<p class="value">–</p><p class="under">accuracy not measured</p>');
    expect(html).not.toContain('NaN');
  });

  it('says that nothing was released', () => {
    const choices = { latency: null, size: null, accuracy: null };
    const html = renderPage({ ...digitsReport(), winner: null, release: null, lineage: null, choices });
    expect(html).toContain('No candidate passed the gates.');
    expect(html).not.toContain('What each objective picks');
  });

  it('tells recipes that could not be made from gates that were missed', () => {
    const report = digitsReport();
    const candidates = report.candidates.map((c) =>
      c.name === 'source' ? { ...c, verdict: 'passed' as const } : { ...c, verdict: 'error' as const },
    );
    const html = renderPage({ ...report, candidates, winner: null, release: null, lineage: null });
    expect(html).toContain('Nothing was released: no recipe could be made.');
    expect(html).not.toContain('passed the gates');
  });

  it('survives candidates of which nothing was measured', () => {
    const report = digitsReport();
    const candidates = report.candidates.map((c) => ({
      ...c,
      verdict: 'error' as const,
      digest: null,
      size: null,
      metrics: [],
      latency: null,
      peakRssBytes: null,
      parity: null,
      sparsity: [],
    }));
    const html = renderPage({ ...report, candidates, winner: null, release: null });
    expect(unbalanced(html)).toEqual([]);
    expect(html).not.toMatch(/NaN|Infinity|undefined/);
  });
});

describe('markup', () => {
  it('escapes text, keeps markup, joins lists, leaves out null', () => {
    const inner = markup`<b>${'<'}</b>`;
    expect(markup`${inner}${['a', '&']}${null}${1.23456}`.markup).toBe('<b>&lt;</b>a&amp;1.23');
  });
});
