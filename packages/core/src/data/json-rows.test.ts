import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Signature } from '../signature.ts';
import { columnsFromJson, labelsFromJson } from './json-rows.ts';

const one: Signature = { inputs: [{ name: 'x', dtype: 'float32', shape: ['n', 2] }], outputs: [] };
const two: Signature = {
  inputs: [
    { name: 'x', dtype: 'int64', shape: ['n'] },
    { name: '__proto__', dtype: 'string', shape: ['n'] },
  ],
  outputs: [],
};

/** Documents that are nearly right: our own keys, in any place, over any values. */
const key = fc.constantFrom('inputs', 'instances', 'labels', 'label', 'x', '__proto__', 'constructor', 'y');
const document = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 5 },
    fc.constantFrom<unknown>(null, 1, 2.5, 'a', '7', true),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.array(fc.tuple(key, tie('value')), { maxLength: 3 }).map((entries) => Object.fromEntries(entries) as unknown),
  ),
})).value;

describe('columnsFromJson', () => {
  it('answers any document with columns or DATA_FORMAT', () => {
    fc.assert(
      fc.property(document, fc.constantFrom(one, two), (value, signature) => {
        try {
          const { inputs } = columnsFromJson(value, signature, 'x.json');
          for (const name of inputs.keys()) expect(signature.inputs.map((spec) => spec.name)).toContain(name);
        } catch (error) {
          expect(error).toMatchObject({ code: 'DATA_FORMAT' });
        }
      }),
      { numRuns: 3000 },
    );
  });

  it('takes names of inputs literally, whatever they are', () => {
    const row = Object.fromEntries([
      ['x', 1],
      ['__proto__', 'text'],
    ]) as unknown;
    expect([...columnsFromJson([row], two, 'x.json').inputs.keys()]).toEqual(['x', '__proto__']);
    expect(() => columnsFromJson([{ x: 1 }], two, 'x.json')).toThrow('row 0: has no "__proto__"');
  });
});

it('reads a bare value of a scalar input as its one row', () => {
  const scalar: Signature = {
    inputs: [
      { name: 'flag', dtype: 'bool', shape: [] },
      { name: 'x', dtype: 'float32', shape: ['n', 2] },
    ],
    outputs: [],
  };
  const { inputs } = columnsFromJson({ inputs: { flag: true, x: [[0, 0.5]] } }, scalar, 'x.json');
  expect(Object.fromEntries(inputs)).toMatchObject({ flag: { shape: [1] }, x: { shape: [1, 2] } });
});

describe('labelsFromJson', () => {
  it.each<[readonly unknown[], string]>([
    [[1, 2], 'int64'],
    [[1, 2.5], 'float64'],
    [['a', 'b'], 'string'],
    [[[1], [2]], 'int64'],
    [
      [
        [1, 2],
        [3, 4],
      ],
      'int64',
    ],
    [[['a', 'b']], 'string'],
  ])('reads %j as %s', (values, dtype) => expect(labelsFromJson(values, 'x').dtype).toBe(dtype));

  it.each<[unknown, string]>([
    [5, 'must be an array'],
    [['a', 1], 'labels[0]: is the string "a"'],
    [[[0, 1], 2], 'labels[0]: is an array'],
    [[null], 'labels[0]: is null'],
    [[2 ** 60], 'beyond 2^53'],
  ])('refuses %j', (values, problem) => {
    expect(() => labelsFromJson(values, 'x')).toThrow(expect.objectContaining({ code: 'DATA_FORMAT' }) as Error);
    expect(() => labelsFromJson(values, 'x')).toThrow(problem);
  });
});
