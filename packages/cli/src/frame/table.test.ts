import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { columnsOf, styleFor, wrap } from './style.ts';
import { facts, table } from './table.ts';

const plain = (width: number): ReturnType<typeof styleFor> =>
  styleFor({ isTTY: true, columns: width }, { NO_COLOR: '1' });

describe('table', () => {
  const columns = [{ title: 'name' }, { title: 'size', align: 'right' as const }, { title: 'why', shrinks: true }];

  it('aligns columns and ends no line with spaces', () => {
    expect(
      table(
        columns,
        [
          ['a', '1', 'x'],
          ['longer', '1000', ''],
        ],
        plain(80),
      ),
    ).toBe(['name    size  why', 'a          1  x', 'longer  1000'].join('\n'));
  });

  it('wraps only the column that shrinks', () => {
    const text = table(columns, [['a', '1', 'one two three four five six seven eight']], plain(40));
    expect(text.split('\n').length).toBeGreaterThan(2);
    expect(Math.max(...text.split('\n').map(columnsOf))).toBeLessThanOrEqual(40);
    expect(text.replace(/\s+/g, ' ')).toContain('seven eight');
  });
});

it('facts keep values under each other', () => {
  expect(
    facts(
      [
        ['a', '1'],
        ['long', 'one two three four five six'],
      ],
      plain(30),
    ),
  ).toBe(['a     1', 'long  one two three four five', '      six'].join('\n'));
});

it('wrapping loses no word and keeps to the width', () => {
  fc.assert(
    fc.property(
      fc.array(fc.stringMatching(/^[a-z]{1,12}$/), { minLength: 1 }),
      fc.integer({ min: 20, max: 80 }),
      (words, width) => {
        const wrapped = wrap(words.join(' '), width);
        expect(wrapped.split('\n').join(' ')).toBe(words.join(' '));
        for (const line of wrapped.split('\n')) expect(line.length).toBeLessThanOrEqual(Math.max(20, width));
      },
    ),
  );
});

describe('style', () => {
  it('has colours on a terminal only, and not when they are unwanted', () => {
    expect(styleFor({ isTTY: true, columns: 80 }, {}).red('x')).toBe('\u001B[31mx\u001B[39m');
    for (const env of [{ NO_COLOR: '1' }, { TERM: 'dumb' }]) expect(styleFor({ isTTY: true }, env).red('x')).toBe('x');
    expect(styleFor({}, {}).red('x')).toBe('x');
  });
});
