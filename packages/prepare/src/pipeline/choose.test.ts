import { describe, expect, it } from 'vitest';
import { answers, digitsReport } from '../testing/reports.ts';
import { createMetric } from '../validate/metrics/index.ts';
import { metricValue } from '../validate/slices.ts';
import { randomStream } from '@slipway/core';
import { choose, type Contender, isMeasured, judge } from './choose.ts';

const random = randomStream(1);
/** Rounds in which the model takes `ratio` times as long as the source, give or take two percent. */
const rounds = (ratio: number): Float64Array =>
  Float64Array.from({ length: 15 }, () => ratio * (0.98 + 0.04 * random()));
const accuracy = createMetric({ metric: 'accuracy' }, { output: 'y', names: null });
const ROWS = 10_000;

interface Figures {
  readonly name: string;
  readonly ratio: number;
  readonly bytes: number;
  readonly compressed?: number;
  readonly wrong?: number;
  readonly batches?: boolean;
}

function contender({ name, ratio, bytes, compressed = bytes, wrong = 100, batches = true }: Figures): Contender {
  const [base] = digitsReport().candidates;
  const { verdict: _verdict, reason: _reason, ...report } = base!;
  const kept = answers(ROWS - wrong, ROWS);
  const versusSource = name === 'source' ? null : { ratio, low: ratio * 0.99, high: ratio * 1.01 };
  return {
    report: {
      ...report,
      name,
      gates: [],
      size: { bytes, compressedBytes: compressed },
      latency: { ...report.latency!, p50Ms: ratio, versusSource },
      metrics: [metricValue(accuracy, kept, name === 'source' ? null : answers(ROWS - 100, ROWS), [], 0)],
    },
    relative: name === 'source' ? new Float64Array(15).fill(1) : rounds(ratio),
    primary: { metric: accuracy, kept },
    batchable: batches,
  };
}

const source = contender({ name: 'source', ratio: 1, bytes: 100 });
const named = (contender: Contender | null): string | null => contender?.report.name ?? null;

describe('choose', () => {
  it('takes a thousandth of the size for no difference', () => {
    const large = contender({ name: 'source', ratio: 1, bytes: 1_000_000 });
    const hardly = contender({ name: 'hardly', ratio: 1, bytes: 999_001 });
    const smaller = contender({ name: 'smaller', ratio: 1, bytes: 999_000 });
    const field = { source: large, winner: large, passed: [large, hardly] };
    expect(named(choose('size', field.passed, 0))).toBe('source');
    expect(judge('size', large, field, 0).reason).toBe('no pass made it smaller by a thousandth or more');
    expect(judge('size', hardly, field, 0).reason).toBe(
      'passed; 999 bytes smaller than source is less than a thousandth of it',
    );
    expect(named(choose('size', [large, hardly, smaller], 0))).toBe('smaller');
  });

  it('keeps the source when nothing is measurably faster', () => {
    const close = contender({ name: 'close', ratio: 0.98, bytes: 50 });
    expect(named(choose('latency', [source, close], 0))).toBe('source');
    expect(judge('latency', source, { source, winner: source, passed: [source, close] }, 0)).toEqual({
      verdict: 'winner',
      reason: 'no pass made it measurably faster',
    });
    expect(judge('latency', close, { source, winner: source, passed: [source, close] }, 0)).toEqual({
      verdict: 'passed',
      reason: 'passed; speed is not distinguishable from source',
    });
  });

  it('takes what is faster, and says by how much', () => {
    const fast = contender({ name: 'fast', ratio: 0.5, bytes: 200 });
    const slow = contender({ name: 'slow', ratio: 2, bytes: 50 });
    const passed = [source, fast, slow];
    const winner = choose('latency', passed, 0);
    expect(named(winner)).toBe('fast');
    const reason = (one: Contender): string => judge('latency', one, { source, winner, passed }, 0).reason;
    expect(reason(fast)).toBe('fastest: 2.0× faster than source');
    expect(reason(source)).toBe('passed, but fast is 2.0× faster');
    expect(reason(slow)).toBe('passed, but is 2.0× slower than source');
  });

  it('is not kept from a faster one by a noisy one with a lower median', () => {
    const fast = contender({ name: 'fast', ratio: 0.8, bytes: 100 });
    const [low, high] = [0.5, 1.4];
    const wild = Float64Array.from({ length: 15 }, (_, round) => (round % 2 === 0 ? low : high));
    const { report } = contender({ name: 'noisy', ratio: 0.5, bytes: 100 });
    const noisy: Contender = {
      ...fast,
      report: { ...report, latency: { ...report.latency!, versusSource: { ratio: 0.79, low: 0.6, high: 1.1 } } },
      relative: wild,
    };
    const passed = [source, noisy, fast];
    const winner = choose('latency', passed, 0);
    expect(named(winner)).toBe('fast');
    expect(judge('latency', noisy, { source, winner, passed }, 0).reason).toMatch(/not distinguishable from source/);
  });

  it('chooses by size exactly, and by compressed size among equals', () => {
    const small = contender({ name: 'small', ratio: 3, bytes: 40 });
    const sparse = contender({ name: 'sparse', ratio: 1, bytes: 100, compressed: 60 });
    expect(named(choose('size', [source, small, sparse], 0))).toBe('small');
    expect(named(choose('size', [source, sparse], 0))).toBe('sparse');
    expect(named(choose('size', [source], 0))).toBe('source');
  });

  it('asks for evidence before it calls a model more accurate', () => {
    const lucky = contender({ name: 'lucky', ratio: 1, bytes: 100, wrong: 96 });
    const better = contender({ name: 'better', ratio: 1, bytes: 100, wrong: 40 });
    expect(named(choose('accuracy', [source, lucky], 0))).toBe('source');
    expect(named(choose('accuracy', [source, lucky, better], 0))).toBe('better');
    expect(judge('accuracy', better, { source, winner: better, passed: [source, better] }, 0).reason).toBe(
      'most accurate: +0.60 points against source',
    );
  });

  it('says that what the objective looks at was not measured, and claims nothing', () => {
    const unmeasured = (one: Contender): Contender => ({
      ...one,
      report: { ...one.report, metrics: [] },
      primary: null,
    });
    const same = unmeasured(source);
    const small = unmeasured(contender({ name: 'small', ratio: 1, bytes: 40 }));
    const large = unmeasured(contender({ name: 'large', ratio: 1, bytes: 80 }));
    expect([source, small].map((one) => isMeasured('accuracy', one))).toEqual([true, false]);
    const won = (passed: Contender[]): string => {
      const winner = choose('accuracy', passed, 0)!;
      return `${winner.report.name}: ${judge('accuracy', winner, { source: same, winner, passed }, 0).reason}`;
    };
    expect(won([same, small])).toBe('source: accuracy was not measured, so nothing is known to be better');
    expect(won([large, small])).toBe('small: accuracy was not measured; the smallest');
    expect(judge('accuracy', small, { source: same, winner: same, passed: [same, small] }, 0).reason).toBe(
      'passed; accuracy was not measured',
    );
  });

  it('gives a tie to a model that takes any number of rows per call where the source does not', () => {
    const fixed = { ...source, batchable: false };
    const freed = contender({ name: 'freed', ratio: 1, bytes: 101 });
    const coarse = contender({ name: 'coarse', ratio: 1, bytes: 40 });
    const exact = { ...freed, report: { ...freed.report, parity: { ...freed.report.parity!, sqnrDb: null } } };
    const noisy = { ...coarse, report: { ...coarse.report, parity: { ...coarse.report.parity!, sqnrDb: 20 } } };
    const passed = [fixed, noisy, exact];
    const winner = choose('latency', passed, 0);
    expect(named(winner)).toBe('freed');
    expect(named(choose('latency', [source, noisy, exact], 0))).toBe('source');
    const reason = (one: Contender): string => judge('latency', one, { source: fixed, winner, passed }, 0).reason;
    expect(reason(exact)).toBe('speed is not distinguishable from source, and it takes any number of rows per call');
    expect(reason(fixed)).toMatch(/^passed, but freed takes any number of rows per call/);
    // Slower is no tie, however it can be called.
    const slow = contender({ name: 'slow', ratio: 1.5, bytes: 101 });
    expect(named(choose('latency', [fixed, slow], 0))).toBe('source');
  });

  it('chooses among those that passed when the source did not', () => {
    const first = contender({ name: 'first', ratio: 0.7, bytes: 90 });
    const second = contender({ name: 'second', ratio: 0.71, bytes: 30 });
    // They cannot be told apart in speed: the smaller one costs less to move and keep.
    expect(named(choose('latency', [first, second], 0))).toBe('second');
    expect(choose('latency', [], 0)).toBeNull();
  });
});
