import { fail } from '@slipway/core';
import { describe, expect, it } from 'vitest';
import { errorTrailers, parseTimeout, percentEncoded } from './status.ts';

describe('grpc-timeout', () => {
  it.each([
    ['1H', 3_600_000],
    ['2M', 120_000],
    ['3S', 3000],
    ['40m', 40],
    ['500u', 0.5],
    ['99999999n', 99.999999],
  ])('%s is %d ms', (text, milliseconds) => {
    expect(parseTimeout(text)).toBeCloseTo(milliseconds, 9);
  });

  it.each(['', '1', 'S', '1s', '-1S', '123456789S', '1.5S', ' 1S'])('%j is refused', (text) => {
    expect(() => parseTimeout(text)).toThrow('is not a time');
  });
});

it('encodes what is not printable ASCII, and the percent sign', () => {
  expect(percentEncoded('50 % of "é✓"\r\n')).toBe('50 %25 of "%C3%A9%E2%9C%93"%0D%0A');
});

it('says when to try again, for clients with a retry policy', () => {
  const error = fail('QUEUE_FULL', { model: 'm', rows: 9, retryAfter: 3 });
  expect(errorTrailers(error)).toMatchObject({
    'grpc-status': 8,
    'slipway-code': 'QUEUE_FULL',
    'grpc-retry-pushback-ms': 3000,
  });
});
