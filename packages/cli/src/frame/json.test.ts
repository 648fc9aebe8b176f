import fc from 'fast-check';
import { expect, it } from 'vitest';
import { formatJson } from './json.ts';

it('says what JSON.stringify says', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      expect(JSON.parse(formatJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
    }),
  );
});

it('keeps rows of numbers on a line, and leaves out what is undefined', () => {
  expect(formatJson({ a: [[1, 2], [3]], b: undefined, c: { d: [] }, e: {} })).toBe(
    '{\n  "a": [\n    [1, 2],\n    [3]\n  ],\n  "c": {\n    "d": []\n  },\n  "e": {}\n}',
  );
});
