import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { suggest } from './suggest.ts';

describe('suggest', () => {
  it.each([
    ['recipie', ['recipe', 'source'], 'recipe'],
    ['soruce', ['recipe', 'source'], 'source'],
    ['P99MS', ['p50Ms', 'p99Ms'], 'p99Ms'],
    ['MaxPol', ['MaxPool', 'Max', 'AveragePool'], 'MaxPool'],
    ['a', ['b'], 'b'],
  ])('for %s of %j offers %s', (wrong, known, best) => expect(suggest(wrong, known)).toBe(`, did you mean "${best}"?`));

  it.each([
    ['gpu', ['maxBatchSize', 'threads']],
    ['anything', []],
    ['', ['inputs']],
  ])('for %j of %j stays silent', (wrong, known) => expect(suggest(wrong, known)).toBe(''));

  it('finds any name after one slip of a finger', () => {
    const name = fc.stringMatching(/^[a-z]{4,12}$/);
    fc.assert(
      fc.property(name, fc.nat(11), fc.constantFrom('drop', 'double', 'swap', 'change'), (known, place, slip) => {
        const at = place % (known.length - 1);
        const [before, here, next, after] = [known.slice(0, at), known[at]!, known[at + 1]!, known.slice(at + 2)];
        const wrong = {
          drop: before + next,
          double: before + here + here + next,
          swap: before + next + here,
          change: `${before}#${next}`,
        };
        expect(suggest(wrong[slip] + after, [known])).toBe(`, did you mean "${known}"?`);
      }),
    );
  });

  it('takes bounded time for hostile names', () => {
    expect(suggest('x'.repeat(1e6), ['inputs', 'outputs'])).toBe('');
  });
});
