import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileRegex } from './regex.ts';

/** Patterns in the part of the language that both engines have. */
const pattern = fc.letrec<{ tree: string }>((tie) => ({
  tree: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom('a', 'b', '.', '\\.', '/', '\\d', '\\w', '\\S', '[ab]', '[^a/]', '[a-c0]', '[\\d.-]', '^', '$', ''),
    fc.tuple(tie('tree'), tie('tree')).map(([a, b]) => a + b),
    fc.tuple(tie('tree'), tie('tree')).map(([a, b]) => `(${a}|${b})`),
    fc
      .tuple(tie('tree'), fc.constantFrom('*', '+', '?', '{2}', '{1,}', '{0,2}', '*?'))
      .map(([a, quantifier]) => `(?:${a})${quantifier}`),
  ),
})).tree;

describe('compileRegex', () => {
  it('says what JavaScript says', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', 'c', '/', '.', '1', 'é', '𝛼'), maxLength: 10 });
    fc.assert(
      fc.property(pattern, fc.array(text, { minLength: 1, maxLength: 8 }), (source, texts) => {
        const ours = compileRegex(source);
        const theirs = new RegExp(source, 'u');
        for (const one of texts) expect([one, ours(one)]).toEqual([one, theirs.test(one)]);
      }),
      { numRuns: 2000 },
    );
  });

  it('takes time in proportion to the text where backtracking would take for ever', () => {
    const name = `${'a'.repeat(20_000)}!`;
    for (const hostile of ['(a+)+$', '(a|a)*b', '(.*a){20}b', '^(a?){50}a{50}$', '((a*)*)*b']) {
      expect(compileRegex(hostile)(name)).toBe(false);
    }
  });

  it.each([
    ['(a', '( without a )'],
    ['a)', ') without a ('],
    ['[a', '[ without a ]'],
    ['*a', 'nothing before * to repeat'],
    ['a**', 'two quantifiers in a row'],
    ['a{x}', '{ is for counts'],
    ['a{3,2}', 'the count {3,2} is empty'],
    ['[b-a]', 'a range in [ ] is empty'],
    ['a\\', 'ends in a backslash'],
    ['(?=a)', 'lookaround and named groups are not supported'],
    ['(a)\\1', '\\1 is not supported'],
    ['((a{100}){100}){100}', 'repeats too much'],
    ['('.repeat(200), 'nested more than 100 deep'],
    ['^*', 'it repeats ^ or $'],
  ])('refuses %s', (source, problem) => {
    expect(() => compileRegex(source)).toThrow(problem);
  });
});
