/** Every kind of tokenizer against the `tokenizers` package (see golden/make.py), and what is refused. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { golden } from '../testing/golden.ts';
import { readTokenizer } from './tokenizer.ts';

interface TextCase {
  readonly name: string;
  readonly tokenizer: object;
  readonly ids: readonly (readonly number[])[];
  /** At most 8 tokens. */
  readonly cut: readonly (readonly number[])[];
}

const { texts, cases } = golden('text') as { texts: readonly string[]; cases: readonly TextCase[] };
const tokenizerOf = (name: string): object => cases.find((one) => one.name === name)!.tokenizer;

describe.each(cases.map((one) => [one.name, one] as const))('%s', (_, { tokenizer, ids, cut }) => {
  const encoder = readTokenizer(JSON.stringify(tokenizer));

  it('gives the ids that the tokenizers package gives', () => {
    const different = texts.flatMap((text, i) => {
      const given = encoder.encode(text, 10_000).ids;
      return given.join() === ids[i]!.join() ? [] : [{ text, given, expected: ids[i] }];
    });
    expect(different).toEqual([]);
  });

  it('cuts where it cuts', () => {
    texts.forEach((text, i) => expect(encoder.encode(text, 8).ids, text).toEqual(cut[i]));
  });
});

describe('a tokenizer', () => {
  const bert = { ...tokenizerOf('bert uncased') } as Record<string, unknown>;

  it('of a vocab.txt is that of the tokenizer.json of the same vocabulary', () => {
    const { vocab } = bert['model'] as { vocab: Record<string, number> };
    const lines = Object.entries(vocab).sort(([, a], [, b]) => a - b);
    const encoder = readTokenizer(lines.map(([token]) => `${token}\n`).join(''));
    const expected = cases.find(({ name }) => name === 'bert uncased')!.ids;
    texts.forEach((text, i) => expect(encoder.encode(text, 10_000).ids, text).toEqual(expected[i]));
    expect(encoder.specialTokens).toBe(2);
    expect(encoder.padding).toEqual({ id: 0, type: 0, side: 'right' });
  });

  it('of a cased vocab.txt keeps capitals', () => {
    const encoder = readTokenizer('[PAD]\n[UNK]\n[CLS]\n[SEP]\nParis\nparis\n');
    expect(encoder.encode('Paris paris', 10).ids).toEqual([2, 4, 5, 3]);
    expect(() => readTokenizer('[PAD]\n[UNK]\nParis\n')).toThrow('a vocab.txt needs a line [CLS]');
  });

  it('pads as its file says', () => {
    const padding = { strategy: 'BatchLongest', direction: 'Left', pad_id: 7, pad_type_id: 1, pad_token: 'x' };
    expect(readTokenizer(JSON.stringify({ ...bert, padding })).padding).toEqual({ id: 7, type: 1, side: 'left' });
    expect(readTokenizer(JSON.stringify(tokenizerOf('t5'))).padding.id).toBe(0);
    expect(readTokenizer(JSON.stringify(tokenizerOf('roberta'))).padding.id).toBe(1);
  });

  it('cuts at the left where its file says so', () => {
    const truncation = { direction: 'Left', max_length: 100, strategy: 'LongestFirst', stride: 0 };
    const left = readTokenizer(JSON.stringify({ ...bert, truncation }));
    const whole = left.encode('a b c d e', 100).ids;
    expect(left.encode('a b c d e', 4).ids).toEqual([whole[0], whole[4], whole[5], whole[6]]);
  });

  it('never gives more than it may, whatever the text', () => {
    const encoder = readTokenizer(JSON.stringify(bert));
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.integer({ min: 2, max: 20 }), (text, most) => {
        const { ids, types } = encoder.encode(text, most);
        expect(ids.length).toBeLessThanOrEqual(most);
        expect(types.length).toBe(ids.length);
        expect([ids[0], ids.at(-1)]).toEqual([2, 3]);
      }),
    );
  });

  it.each<[string, object, string]>([
    ['no model', { model: null }, 'it has no "model"'],
    ['an unknown normalizer', { normalizer: { type: 'Rot13' } }, 'the normalizer "Rot13" is not known here'],
    [
      'an unknown pre-tokenizer',
      { pre_tokenizer: { type: 'UnicodeScripts' } },
      'the pre-tokenizer "UnicodeScripts" is not known',
    ],
    [
      'a name of Object.prototype',
      { normalizer: { type: 'constructor' } },
      'the normalizer "constructor" is not known here',
    ],
    ['random merges', { model: { ...(bert['model'] as object), dropout: 0.1 } }, 'the model has dropout'],
    ['single words', { added_tokens: [{ id: 9, content: 'x', single_word: true }] }, 'has single_word'],
    ['a token without an id', { added_tokens: [{ content: 'x' }] }, 'an entry without content and id'],
    ['an unknown behavior', { pre_tokenizer: { type: 'Punctuation', behavior: 'explode' } }, 'the behavior "explode"'],
    ['a broken pattern', { pre_tokenizer: { type: 'Split', pattern: { Regex: '(' } } }, 'the pattern ('],
    ['a broken map', { normalizer: { type: 'Precompiled', precompiled_charsmap: 'AAAA' } }, 'precompiled_charsmap'],
  ])('is refused with %s', (_, change, problem) => {
    expect(() => readTokenizer(JSON.stringify({ ...bert, ...change }))).toThrow(problem);
  });

  it('is refused when it is no JSON', () => expect(() => readTokenizer('{"model":')).toThrow('it is not JSON'));
});
