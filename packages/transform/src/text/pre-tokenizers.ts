/**
 * The pre-tokenizers of a `tokenizer.json`, as the `tokenizers` crate applies them: text to the pieces that the model then sees one by
 * one. They are written here because the library's split at other places: it takes words for ASCII, runs of
 * punctuation for one piece, and knows two of the five behaviours of a split.
 */
import {
  booleanOf,
  type Component,
  componentOf,
  listOf,
  stringOf,
  TokenizerProblem,
  unknownType,
} from './component.ts';
import { byteLevel } from './normalizers.ts';
import { behaviorOf, patternOf, split } from './split.ts';

/** @param starts the text is the beginning of what was given, and not what follows a special token */
export type PreTokenize = (text: string, starts: boolean) => string[];

/** @param value the member `pre_tokenizer`, or null @throws TokenizerProblem */
export function preTokenizerOf(value: unknown): PreTokenize {
  if (value === null || value === undefined) return (text) => [text];
  const component = componentOf(value, 'pre_tokenizer');
  const build = Object.hasOwn(BUILDERS, component.type) ? BUILDERS[component.type] : undefined;
  if (build === undefined) throw unknownType('pre-tokenizer', component.type);
  return build(component);
}

const SPACE = /\p{White_Space}/gu;
const PUNCTUATION = /[\p{P}!-/:-@[-`{-~]/gu;
const NUMERIC = /[\p{Nd}\p{Nl}\p{No}]/gu;
/** `\w+|[^\w\s]+` in the Unicode sense. */
const WORDS =
  /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]+|[^\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}\p{White_Space}]+/gu;
/** Of GPT-2, with `\s` in the Unicode sense. */
const GPT2 =
  /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;

const BUILDERS: Readonly<Record<string, (component: Component) => PreTokenize>> = {
  Sequence: (component) => {
    const steps = listOf(component, 'pretokenizers').map(preTokenizerOf);
    return (text, starts) =>
      steps.reduce<string[]>(
        (pieces, step) =>
          pieces.flatMap((piece, index) => step(piece, starts && index === 0 && text.startsWith(piece))),
        [text],
      );
  },
  BertPreTokenizer: () => (text) =>
    split(text, SPACE, 'removed').flatMap((word) => split(word, PUNCTUATION, 'isolated')),
  Whitespace: () => (text) => split(text, WORDS, 'removed', true),
  WhitespaceSplit: () => (text) => split(text, SPACE, 'removed'),
  Punctuation: (component) => {
    const behavior = behaviorOf(component, 'isolated');
    return (text) => split(text, PUNCTUATION, behavior);
  },
  Digits: (component) => {
    const behavior = booleanOf(component, 'individual_digits', false) ? 'isolated' : 'contiguous';
    return (text) => split(text, NUMERIC, behavior);
  },
  CharDelimiterSplit: (component) => {
    const pattern = patternOf({ pattern: { String: stringOf(component, 'delimiter', ' ') } });
    return (text) => split(text, pattern, 'removed');
  },
  Split: (component) => {
    const pattern = patternOf(component);
    const behavior = behaviorOf(component, 'isolated');
    const invert = booleanOf(component, 'invert', false);
    return (text) => split(text, pattern, behavior, invert);
  },
  ByteLevel: (component) => {
    const prefix = booleanOf(component, 'add_prefix_space', true);
    const regex = booleanOf(component, 'use_regex', true);
    return (text) => {
      const given = prefix && !text.startsWith(' ') ? ` ${text}` : text;
      return (regex ? split(given, GPT2, 'isolated') : [given]).map(byteLevel);
    };
  },
  Metaspace: metaspace,
  FixedLength: (component) => {
    const length = component['length'];
    if (typeof length !== 'number' || !Number.isSafeInteger(length) || length < 1) {
      throw new TokenizerProblem('the length of FixedLength is not a whole number above 0');
    }
    const piece = new RegExp(`[^]{1,${length}}`, 'gu');
    return (text) => text.match(piece) ?? [];
  },
};

function metaspace(component: Component): PreTokenize {
  const replacement = stringOf(component, 'replacement', '▁');
  // Files of before `prepend_scheme` say whether there is a prefix at all.
  const otherwise = booleanOf(component, 'add_prefix_space', true) ? 'always' : 'never';
  const scheme = stringOf(component, 'prepend_scheme', otherwise);
  const splits = booleanOf(component, 'split', true);
  const pattern = patternOf({ pattern: { String: replacement } });
  return (text, starts) => {
    let given = text.replaceAll(' ', replacement);
    const prepends = scheme === 'always' || (scheme === 'first' && starts);
    if (prepends && !given.startsWith(replacement)) given = replacement + given;
    return splits ? split(given, pattern, 'mergedwithnext') : [given];
  };
}
