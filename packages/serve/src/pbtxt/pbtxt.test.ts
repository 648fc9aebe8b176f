/** Protobuf text format: what it may look like, and what is said of what it may not. */
import { SlipwayError } from '@slipway/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PBTXT_LIMITS, parseText, type Value } from './parse.ts';
import { readText } from './read.ts';
import { bool, float, ignored, map, message, oneOf, repeated, string, whole } from './schema.ts';

/** The tree without places, repeated names collected. */
function plain(value: Value): unknown {
  if (value.kind === 'string') return value.bytes.toString('latin1');
  if (value.kind !== 'message') return value.text;
  const fields: Record<string, unknown[]> = {};
  for (const { name, value: of } of value.fields) (fields[name] ??= []).push(plain(of));
  return fields;
}
const parse = (text: string): unknown => plain(parseText(text));

describe('text', () => {
  it.each([
    ['a: 1', { a: ['1'] }],
    ['a: 1, b: 2; c: 3 d: 4', { a: ['1'], b: ['2'], c: ['3'], d: ['4'] }],
    ['a { b: 1 } a: { b: 2 } a < b: 3 >', { a: [{ b: ['1'] }, { b: ['2'] }, { b: ['3'] }] }],
    ['a: [1, 2, 3]\nb []', { a: ['1', '2', '3'] }],
    ['a [ { b: 1 }, < b: 2 > ]', { a: [{ b: ['1'] }, { b: ['2'] }] }],
    ['# first\na: 1 # last', { a: ['1'] }],
    [
      'a: - 5 b: -inf c: NaN d: 1.5e-3f e: .5 f: 0x1F g: 017',
      { a: ['-5'], b: ['-inf'], c: ['NaN'], d: ['1.5e-3f'], e: ['.5'], f: ['0x1F'], g: ['017'] },
    ],
    [`a: "one" 'two'\n  "three"`, { a: ['onetwothree'] }],
    [String.raw`a: "\n\t\"\'\\\x41\101\u0042"`, { a: ['\n\t"\'\\AAB'] }],
    [String.raw`a: "\u00e9"`, { a: ['Ã©'] }],
    ['[type.googleapis.com/a.B] { c: 1 } [x.y]: 2', { '[type.googleapis.com/a.B]': [{ c: ['1'] }], '[x.y]': ['2'] }],
    ['\uFEFFa: TYPE_FP32', { a: ['TYPE_FP32'] }],
    ['', {}],
  ])('%j', (text, expected) => {
    expect(parse(text)).toEqual(expected);
  });

  it.each([
    ['a: ', '1:4 a value is expected, not the end'],
    ['a 1', '1:3 ":" or "{" after "a" is expected, not "1"'],
    ['a {\n  b: 1\n', '3:1 the text ends, and what was opened at 1:3 is not closed'],
    ['a { >', '1:5 the name of a field is expected, not ">"'],
    ['a: "x\ny"', '1:4 the string has no end on its line'],
    ['a: "\\q"', '1:5 \\q is not an escape'],
    ['a: "\\400"', '1:5 \\400 is more than a byte'],
    ['a: "\\ud800"', '1:5 \\ud800 is not a character'],
    ['a: 12abc', '1:4 "12a…" is not a number'],
    ['a: @', '1:4 "@" does not belong here'],
    ['a: [1 2]', '1:7 "," or "]" is expected, not "2"'],
    ['a: 1 }', '1:6 the name of a field is expected, not "}"'],
    [
      'a {'.repeat(PBTXT_LIMITS.depth + 1),
      `1:${3 * PBTXT_LIMITS.depth + 3} is nested deeper than ${PBTXT_LIMITS.depth}`,
    ],
    [
      'a: 1 '.repeat(PBTXT_LIMITS.fields + 1),
      `1:${5 * PBTXT_LIMITS.fields + 1} more than ${PBTXT_LIMITS.fields} fields`,
    ],
    [' '.repeat(PBTXT_LIMITS.bytes + 1), `1:1 is larger than ${PBTXT_LIMITS.bytes} bytes`],
  ])('%.40j is wrong', (text, expected) => {
    expect(() => parse(text)).toThrow(
      expect.objectContaining({ message: expected.slice(expected.indexOf(' ') + 1), place: place(expected) }),
    );
  });

  it('says where a text is wrong, whatever it is', () => {
    const piece = fc.constantFrom(
      'a',
      ':',
      '{',
      '}',
      '<',
      '>',
      '[',
      ']',
      ',',
      '"',
      "'",
      '\\',
      '-',
      '1',
      '0x',
      '.',
      '\n',
      ' ',
      '#',
      'inf',
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(piece).map((pieces) => pieces.join('')),
        ),
        (text) => {
          try {
            parse(text);
          } catch (error) {
            const { line, column } = (error as { place: { line: number; column: number } }).place;
            const lines = text.split('\n');
            expect(line).toBeLessThanOrEqual(lines.length);
            expect(column).toBeLessThanOrEqual((lines[line - 1] ?? '').length + 1);
          }
        },
      ),
    );
  });

  it('reads back any string that is written with escapes', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        const text = [...bytes].map((byte) => `\\${byte.toString(8).padStart(3, '0')}`).join('');
        expect(parse(`a: "${text}"`)).toEqual({ a: [Buffer.from(bytes).toString('latin1')] });
      }),
    );
  });
});

function place(expected: string): { line: number; column: number } {
  const [line, column] = expected.split(' ')[0]?.split(':').map(Number) ?? [];
  return { line: line ?? 0, column: column ?? 0 };
}

describe('values', () => {
  const kind = message({
    name: string,
    count: whole({ min: 1, max: 10 }),
    rate: float,
    on: bool,
    kind: oneOf({ KIND_AUTO: 0, KIND_CPU: 2 }),
    sizes: repeated(whole()),
    group: message({ name: string }),
    labels: map(whole()),
    old: ignored('it is for another engine'),
  });
  const read = (text: string) => readText(Buffer.from(text), 'm.pbtxt', kind);
  const problem = (text: string): string => {
    try {
      read(text);
    } catch (error) {
      if (error instanceof SlipwayError) return `${error.code} ${error.message}`;
    }
    return 'nothing is wrong';
  };

  it('come typed', () => {
    const { value } = read(
      `name: "x" count: 0x0A rate: 2 on: t kind: 2 sizes: [1, 2] sizes: 3 group { name: "g" } labels { key: "a" value: 1 } labels: [{ key: 'b', value: 2 }]`,
    );
    expect(value).toEqual({
      name: 'x',
      count: 10,
      rate: 2,
      on: true,
      kind: 'KIND_CPU',
      sizes: [1, 2, 3],
      group: { name: 'g' },
      labels: new Map([
        ['a', 1],
        ['b', 2],
      ]),
    });
  });

  it('that are of no effect are said', () => {
    expect(read('name: "x"\n  old { a: 1 }\nold: 2').warnings).toEqual([
      'm.pbtxt:2:7: old is of no effect: it is for another engine',
      'm.pbtxt:3:6: old is of no effect: it is for another engine',
    ]);
  });

  it.each([
    ['nme: "x"', 'm.pbtxt:1:1: unknown field "nme", did you mean "name"?'],
    ['\n group { nam: "x" }', 'm.pbtxt:2:10: unknown field "nam", did you mean "name"?'],
    ['count: 11', 'm.pbtxt:1:8: count must be a whole number from 1 to 10'],
    ['count: 1.5', 'm.pbtxt:1:8: count must be a whole number from 1 to 10'],
    ['sizes: 18446744073709551615', 'm.pbtxt:1:8: sizes must be a whole number of at least 0'],
    ['sizes: 08', 'm.pbtxt:1:8: sizes must be a whole number of at least 0'],
    ['count: 1 count: 2', 'm.pbtxt:1:10: count is given twice'],
    ['kind: KIND_CUP', 'm.pbtxt:1:7: kind: "KIND_CUP" is not known, did you mean "KIND_CPU"?'],
    ['on: yes', 'm.pbtxt:1:5: on must be true or false'],
    ['name: x', 'm.pbtxt:1:7: name must be a string in quotes'],
    ['name: "\\377"', 'm.pbtxt:1:7: name is not UTF-8'],
    ['group: 1', 'm.pbtxt:1:8: group must be a message: { … }'],
    ['labels { key: "a" }', 'm.pbtxt:1:8: labels needs a key and a value'],
    ['rate: "1"', 'm.pbtxt:1:7: rate must be a number'],
  ])('%j is wrong', (text, expected) => {
    expect(problem(text)).toBe(`SERVING_CONFIG_INVALID ${expected}`);
  });

  it('must be text', () => {
    expect(() => readText(Buffer.of(0xff, 0xfe), 'm.pbtxt', kind)).toThrow('m.pbtxt: is not UTF-8 text');
  });
});
