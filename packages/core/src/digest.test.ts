import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalJson, digestOf, digestOfFile, digestOfJson, isDigest } from './digest.ts';

const EMPTY = 'sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

describe('digests', () => {
  it('are those of sha256sum', async () => {
    expect(digestOf('')).toBe(EMPTY);
    const folder = mkdtempSync(path.join(tmpdir(), 'slipway-digest-'));
    const content = Buffer.alloc(3 << 20, 'content');
    writeFileSync(path.join(folder, 'file'), content);
    expect(await digestOfFile(path.join(folder, 'file'))).toBe(digestOf(content));
    rmSync(folder, { recursive: true });
  });

  it('are recognised by their exact form', () => {
    expect(isDigest(EMPTY)).toBe(true);
    for (const wrong of [
      EMPTY.toUpperCase(),
      EMPTY.slice(0, -1),
      `${EMPTY}0`,
      `${EMPTY}\n`,
      'sha256:../../x',
      '',
      null,
      5,
    ]) {
      expect(isDigest(wrong)).toBe(false);
    }
  });
});

const shuffled = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(shuffled);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, member]) => [key, shuffled(member)]),
  );
};

describe('canonicalJson', () => {
  it('is JSON of the same value', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  it('does not depend on the order of keys, at any depth', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(canonicalJson(shuffled(value))).toBe(canonicalJson(value));
      }),
    );
  });

  it('tells different values apart', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (a, b) => {
        const same = canonicalJson(a) === canonicalJson(b);
        expect(digestOfJson(a) === digestOfJson(b)).toBe(same);
        if (same) expect(JSON.parse(canonicalJson(a))).toEqual(JSON.parse(canonicalJson(b)));
      }),
    );
  });

  it('sorts by code unit and leaves undefined members out', () => {
    expect(canonicalJson({ b: 1, a: undefined, B: 2, é: [null, true], 10: 0, 9: 0 })).toBe(
      '{"10":0,"9":0,"B":2,"b":1,"é":[null,true]}',
    );
  });

  it.each<[string, unknown]>([
    ['NaN', NaN],
    ['an infinity', [Infinity]],
    ['a bigint', { a: 1n }],
    ['a function', () => 1],
    ['undefined in an array', [undefined]],
    ['a hole', new Array<number>(1)],
    ['a date', new Date(0)],
    ['a map', { a: new Map([[1, 2]]) }],
    ['bytes', new Uint8Array(2)],
  ])('refuses %s', (_, value) => expect(() => canonicalJson(value)).toThrow('not representable in JSON'));
});
