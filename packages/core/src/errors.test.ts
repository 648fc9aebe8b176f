import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  asSlipwayError,
  type ErrorCode,
  errorTable,
  EXIT,
  fail,
  fromSystemError,
  fromWire,
  hasCode,
  SlipwayError,
  type WireError,
} from './errors.ts';

const codes = Object.keys(errorTable) as ErrorCode[];
const placeholders = (text: string): string[] => [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name!);
const someParams = (code: ErrorCode): Record<string, string> =>
  Object.fromEntries(
    [...placeholders(errorTable[code].message), ...placeholders(errorTable[code].remedy)].map((name) => [
      name,
      `<${name}>`,
    ]),
  );

describe('the error table', () => {
  it('has rows', () => expect(codes.length).toBeGreaterThan(40));

  it.each(codes)('%s says what happened, what to do, and how it is answered', (code) => {
    const row = errorTable[code];
    expect(code).toMatch(/^[A-Z][A-Z0-9]*(_[A-Z0-9]+)*$/);
    expect(row.message).not.toBe('');
    expect(row.message).not.toMatch(/[.!]$/);
    expect(row.remedy).toMatch(/\.$/);
    expect(row.http).toBeGreaterThanOrEqual(400);
    expect(row.http).toBeLessThan(600);
    expect(Object.values(EXIT)).toContain(row.exit);
    expect(row.exit).not.toBe(EXIT.ok);
    const error = new SlipwayError(code, someParams(code));
    expect(placeholders(error.message)).toEqual([]);
    expect(placeholders(error.remedy)).toEqual([]);
  });

  it('has every code once (a repeated key would silently win)', () => {
    const source = readFileSync(new URL('errors.ts', import.meta.url), 'utf8');
    const written = [...source.matchAll(/^ {2}([A-Z][A-Z0-9_]+): (?:bad|row)\(/gm)].map(([, code]) => code!);
    expect(written.toSorted()).toEqual(codes.toSorted());
  });

  it('does not give two failures one message', () => {
    // Those that are all parameters say what they say through them.
    const messages = codes
      .map((code) => errorTable[code].message)
      .filter((message) => /[a-z]/.test(message.replace(/\{\w+\}/g, '')));
    expect(messages.filter((message, index) => messages.indexOf(message) !== index)).toEqual([]);
  });
});

describe('an error on the wire', () => {
  it('arrives as it left, through JSON', () => {
    const params = fc.dictionary(fc.string(), fc.oneof(fc.string(), fc.integer()), { noNullPrototype: true });
    fc.assert(
      fc.property(fc.constantFrom(...codes), params, (code, extra) => {
        const error = new SlipwayError(code, { ...extra, ...someParams(code) });
        const again = fromWire(JSON.parse(JSON.stringify(error.toWire())) as WireError);
        expect(again).toBeInstanceOf(SlipwayError);
        expect([again.code, again.message, again.remedy, again.httpStatus, again.exitCode]).toEqual([
          error.code,
          error.message,
          error.remedy,
          error.httpStatus,
          error.exitCode,
        ]);
      }),
    );
  });

  it.each(['FROM_THE_FUTURE', 'constructor', '__proto__', ''])(
    'of the unknown code %j is INTERNAL and names it',
    (code) => {
      const error = fromWire({ code, params: { path: 'x' } } as unknown as WireError);
      expect(error.code).toBe('INTERNAL');
      expect(error.message).toBe(`Internal error: unknown error code ${code}`);
    },
  );

  it('fills in what was sent literally, also when it looks like a template', () => {
    expect(fail('DATA_FORMAT', { path: '{problem}$&', problem: '{path}' }).message).toBe('{problem}$&: {path}');
  });
});

describe('other errors', () => {
  it('are defects of ours, with what they said and their cause', () => {
    const cause = new TypeError('x is not a function');
    const error = asSlipwayError(cause);
    expect(error).toMatchObject({ code: 'INTERNAL', message: 'Internal error: x is not a function', cause });
    expect(asSlipwayError(error)).toBe(error);
    expect(asSlipwayError('text').message).toBe('Internal error: text');
  });

  it('are told apart by code, not by class', () => {
    expect(hasCode({ code: 'DRAINING' }, 'DRAINING')).toBe(true);
    for (const other of [null, undefined, 'DRAINING', {}, fail('CANCELLED', {})]) {
      expect(hasCode(other, 'DRAINING')).toBe(false);
    }
  });

  it.each([
    ['ENOENT', 'reading', 'FILE_NOT_FOUND'],
    ['EACCES', 'reading', 'FILE_UNREADABLE'],
    ['EACCES', 'writing', 'READ_ONLY'],
    ['EROFS', 'writing', 'READ_ONLY'],
    ['ENOSPC', 'writing', 'DISK_FULL'],
    ['EDQUOT', 'writing', 'DISK_FULL'],
    ['EFBIG', 'writing', 'DISK_FULL'],
    ['EISDIR', 'reading', 'FILE_UNREADABLE'],
  ])('of the system: %s while %s is %s', (code, action, expected) => {
    const cause = Object.assign(new Error('refused'), { code });
    expect(fromSystemError(cause, '/a/b', action)).toMatchObject({ code: expected, params: { path: '/a/b' }, cause });
  });
});
