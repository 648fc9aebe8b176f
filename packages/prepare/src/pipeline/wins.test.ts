import { prune, quantize, simplify, batching, type PassSpec } from '@slipway/core';
import { describe, expect, it } from 'vitest';
import { digitsReport } from '../testing/reports.ts';
import type { Contender } from './choose.ts';
import { claimsOf, refusal, type Trade } from './wins.ts';

interface Figures {
  readonly passes?: readonly PassSpec[];
  readonly bytes?: number;
  readonly zstd?: number;
  /** Time against the source, with an interval of ±1 %. */
  readonly ratio?: number;
}

function contender({ passes = [], bytes = 100, zstd = 100, ratio = 1 }: Figures): Contender {
  const { verdict: _verdict, reason: _reason, ...report } = digitsReport().candidates[1]!;
  const versusSource = { ratio, low: ratio * 0.99, high: ratio * 1.01 };
  const latency = { ...report.latency!, versusSource };
  const size = { bytes, compressedBytes: zstd };
  return { report: { ...report, passes, size, latency }, relative: null, primary: null, batchable: true };
}

const source = contender({});
const trade = (change: Partial<Trade> = {}): Trade => ({ objective: 'latency', gates: {}, allow: [], ...change });
const why = (figures: Figures, change: Partial<Trade> = {}, better = false): string | null =>
  refusal(contender(figures), source, trade(change), better);

const int8 = [quantize.dynamic()];
const zeros = [prune.magnitude({ rule: 'mean' })];
const folded = [simplify()];

describe('a model whose passes are for size', () => {
  it('is refused when it is smaller in neither sense', () => {
    expect(why({ passes: int8, bytes: 120, zstd: 110 }, { objective: 'size' })).toContain('not smaller than source');
    expect(why({ passes: int8, bytes: 100, zstd: 100 }, { objective: 'size' })).toContain("allow: ['larger']");
    expect(why({ passes: zeros, bytes: 100, zstd: 60 }, { objective: 'size' })).toBeNull();
    expect(why({ passes: int8, bytes: 40, zstd: 110 }, { objective: 'size' })).toBeNull();
  });

  it('is taken when the trade was asked for: by name, by a bound on size, or by being faster where speed is asked for', () => {
    const large = { passes: int8, bytes: 120, zstd: 110, ratio: 0.5 };
    expect(why(large, { allow: ['larger'] })).toBeNull();
    expect(why(large, { gates: { bytes: 500 } })).toBeNull();
    expect(why(large, {}, true)).toBeNull();
    expect(why(large, { objective: 'size' }, true)).not.toBeNull();
  });

  it('may be slower when size is asked for, and not when speed is', () => {
    const slow = { passes: int8, bytes: 40, zstd: 40, ratio: 4.6 };
    expect(why(slow, { objective: 'size' })).toBeNull();
    expect(why(slow)).toContain('4.6× slower than source');
    expect(why(slow, { gates: { p99Ms: 5 } })).toBeNull();
  });
});

describe('a model whose passes are for speed', () => {
  it('is refused when it is slower beyond noise', () => {
    expect(why({ passes: folded, ratio: 1.2 })).toContain('its passes are for speed');
    expect(why({ passes: folded, ratio: 1.035 })).toBeNull();
    expect(why({ passes: folded, ratio: 1.2 }, { allow: ['slower'] })).toBeNull();
    expect(why({ passes: folded, ratio: 1.2 }, { gates: { slowdown: 1.5 } })).toBeNull();
  });

  it('may be slower where it buys what is asked for instead', () => {
    const both = { passes: [...folded, ...int8], bytes: 40, zstd: 40, ratio: 1.2 };
    expect(why(both, { objective: 'size' }, true)).toBeNull();
    expect(why(both, { objective: 'size' }, false)).toContain('slower');
  });
});

describe('what claims nothing', () => {
  it('owes nothing', () => {
    expect(claimsOf([batching.dynamic()], 'latency').size).toBe(0);
    expect(why({ passes: [batching.dynamic()], bytes: 120, zstd: 120, ratio: 1.5 })).toBeNull();
    expect(refusal(source, source, trade(), false)).toBeNull();
  });
});
