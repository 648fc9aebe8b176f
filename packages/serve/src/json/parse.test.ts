import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { JsonParser } from './parse.ts';
import { plain } from './tensor.ts';

const strict = new JsonParser({ nonFinite: false });
const lenient = new JsonParser({ nonFinite: true });
const parse = (text: string | Buffer, parser = strict): unknown => {
  const bytes = Buffer.from(text as string);
  return plain(parser.parse(bytes), bytes);
};

describe('JSON parser', () => {
  it('agrees with JSON.parse on every JSON value, however it is spaced', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(undefined, 1, '\t'), (value, space) => {
        const text = JSON.stringify(value, null, space);
        const numbers = (_: string, member: unknown): unknown => (typeof member === 'bigint' ? Number(member) : member);
        expect(JSON.stringify(parse(text), numbers)).toBe(JSON.stringify(JSON.parse(text)));
      }),
    );
  });

  it('reads every number as JSON.parse does, to the last bit', () => {
    const written = fc.oneof(
      fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
      fc.float({ noNaN: true, noDefaultInfinity: true }).map(String),
      fc
        .tuple(fc.bigInt(0n, 10n ** 20n), fc.bigInt(0n, 10n ** 22n), fc.integer({ min: -40, max: 40 }), fc.boolean())
        .map(([whole, part, power, exponent]) => `${whole}.${part}${exponent ? `e${power}` : ''}`),
    );
    fc.assert(
      fc.property(fc.array(written, { minLength: 1, maxLength: 20 }), (numbers) => {
        const text = `[${numbers.map((n) => n.replace('e+', 'e')).join(',')}]`;
        const expected = JSON.parse(text) as number[];
        const actual = parse(text) as (number | bigint)[];
        actual.forEach((value, i) => expect(Object.is(Number(value), expected[i])).toBe(true));
      }),
      { numRuns: 2000 },
    );
  });

  it('refuses exactly what JSON.parse refuses', () => {
    const alphabet = ['[', ']', '{', '}', ',', ':', '"', 'a', '1', '0', '-', '.', 'e', '+', ' ', 'null', 'true', '\\'];
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...alphabet), { maxLength: 12 }), (parts) => {
        const text = parts.join('');
        let valid = true;
        try {
          JSON.parse(text);
        } catch {
          valid = false;
        }
        if (valid) parse(text);
        else expect(() => parse(text)).toThrow(expect.objectContaining({ code: 'REQUEST_MALFORMED' }));
      }),
      { numRuns: 5000 },
    );
  });

  it('keeps integers beyond 2^53', () => {
    expect(parse('[9007199254740993, -9223372036854775808]')).toEqual([9007199254740993n, -9223372036854775808n]);
    expect(parse('18446744073709551615')).toBe(18446744073709551615n);
  });

  it('takes NaN and infinities only where the protocol does', () => {
    expect(parse('[NaN,-Infinity,Infinity,1]', lenient)).toEqual(['NaN', '-Infinity', 'Infinity', 1]);
    expect(() => parse('[1,NaN]')).toThrow('NaN and Infinity are not JSON (byte 3)');
    expect(() => parse('[-NaN]', lenient)).toThrow('invalid JSON');
  });

  it('bounds depth, and says where text is wrong', () => {
    expect(() => parse('['.repeat(120))).toThrow('nested deeper than 100 levels');
    expect(() => parse('['.repeat(500_000))).toThrow('nested deeper than 100 levels');
    expect(() => parse('{"a":1,}')).toThrow("unexpected '}' at byte 7");
    expect(() => parse('[1,2')).toThrow('ends in the middle');
    expect(() => parse('[1] x')).toThrow("unexpected 'x' at byte 4");
    expect(() => parse(Buffer.from([0x22, 0xc0, 0xae, 0x22]))).toThrow('not valid UTF-8');
    expect(() => parse('1e999')).toThrow('out of range');
  });

  it('treats __proto__ as a key like any other', () => {
    const bytes = Buffer.from('{"__proto__":{"polluted":true}}');
    const value = strict.parse(bytes) as Record<string, unknown>;
    expect(Object.keys(value)).toEqual(['__proto__']);
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });

  it('does not take its depth times over for arrays that fail late', () => {
    const text = `${'['.repeat(90)}${'1,'.repeat(20_000)}"x"${']'.repeat(90)}`;
    const numbers = (_: string, member: unknown): unknown => (typeof member === 'bigint' ? Number(member) : member);
    expect(JSON.stringify(parse(text), numbers)).toBe(text.replaceAll(' ', ''));
  });
});
