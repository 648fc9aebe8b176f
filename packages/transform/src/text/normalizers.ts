/**
 * The normalizers of a `tokenizer.json`, as the `tokenizers` crate applies them. They are written here, and not taken from the
 * library, because there they differ in ways that change ids: it lower-cases the Greek sigma by context, does not see Chinese
 * characters beyond the basic plane, and stands in for compiled character maps with NFKC.
 */
import { precompiledCharsmap } from './charsmap.ts';
import { booleanOf, type Component, componentOf, listOf, stringOf, unknownType } from './component.ts';
import { patternOf } from './split.ts';

export type Normalize = (text: string) => string;

/** @param value the member `normalizer`, or null @throws TokenizerProblem */
export function normalizerOf(value: unknown): Normalize {
  if (value === null || value === undefined) return (text) => text;
  const component = componentOf(value, 'normalizer');
  const build = Object.hasOwn(BUILDERS, component.type) ? BUILDERS[component.type] : undefined;
  if (build === undefined) throw unknownType('normalizer', component.type);
  return build(component);
}

const BUILDERS: Readonly<Record<string, (component: Component) => Normalize>> = {
  Sequence: (component) => {
    const steps = listOf(component, 'normalizers').map(normalizerOf);
    return (text) => steps.reduce((value, step) => step(value), text);
  },
  BertNormalizer: bert,
  NFC: () => (text) => text.normalize('NFC'),
  NFD: () => (text) => text.normalize('NFD'),
  NFKC: () => (text) => text.normalize('NFKC'),
  NFKD: () => (text) => text.normalize('NFKD'),
  Lowercase: () => lowercase,
  StripAccents: () => (text) => text.replace(/\p{M}/gu, ''),
  Strip: (component) => {
    const left = booleanOf(component, 'strip_left', true);
    const right = booleanOf(component, 'strip_right', true);
    return (text) => {
      const kept = left ? text.replace(/^\p{White_Space}+/u, '') : text;
      return right ? trimEnd(kept) : kept;
    };
  },
  Replace: (component) => {
    const pattern = patternOf(component);
    const content = stringOf(component, 'content', '');
    // A function, because in a string `$` would mean something.
    return (text) => text.replace(pattern, () => content);
  },
  Prepend: (component) => {
    const prefix = stringOf(component, 'prepend', '');
    return (text) => (text === '' ? text : prefix + text);
  },
  ByteLevel: () => byteLevel,
  Nmt: () => nmt,
  Precompiled: (component) => precompiledCharsmap(stringOf(component, 'precompiled_charsmap', '')),
};

function bert(component: Component): Normalize {
  const clean = booleanOf(component, 'clean_text', true);
  const chinese = booleanOf(component, 'handle_chinese_chars', true);
  const lower = booleanOf(component, 'lowercase', true);
  const strip = booleanOf(component, 'strip_accents', lower);
  return (given) => {
    let text = given;
    if (clean) text = text.replace(DIRT, '').replace(/\p{White_Space}/gu, ' ');
    if (chinese) text = text.replace(CHINESE, ' $& ');
    if (strip) text = text.normalize('NFD').replace(/\p{Mn}/gu, '');
    return lower ? lowercase(text) : text;
  };
}

/** NUL, the replacement character, and every control but tab and ends of lines. */
const DIRT = /(?![\t\n\r])[\0\ufffd\p{Cc}\p{Cf}\p{Co}]/gu;

const CHINESE =
  /[\u4e00-\u9fff\u3400-\u4dbf\u{20000}-\u{2a6df}\u{2a700}-\u{2b73f}\u{2b740}-\u{2b81f}\u{2b920}-\u{2ceaf}\uf900-\ufaff\u{2f800}-\u{2fa1f}]/gu;

/** Character by character: JavaScript would end a word with another sigma than it has inside. */
function lowercase(text: string): string {
  return text.replaceAll('Σ', 'σ').toLowerCase();
}

/** Not as an expression that could look at every run of spaces again and again. */
function trimEnd(text: string): string {
  let end = text.length;
  while (end > 0 && /\p{White_Space}/u.test(text[end - 1] ?? '')) end--;
  return text.slice(0, end);
}

/** What SentencePiece calls nmt: controls away, odd spaces to spaces. */
function nmt(text: string): string {
  return text
    .replace(/(?![\0\t\n\f\r\u0080-\u008e\u0090-\u009e])\p{Cc}/gu, '')
    .replace(/[\t\n\f\r\u1680\u200b-\u200f\u2028\u2029\u2581\ufeff\ufffd]/g, ' ');
}

/**
 * Every byte of the text as a printable character: those of Latin-1 that print stand for themselves, the others for U+0100 and
 * following. Source: GPT-2, `bytes_to_unicode`.
 */
export function byteLevel(text: string): string {
  let result = '';
  for (const byte of Buffer.from(text)) result += BYTE_CHARACTERS[byte] ?? '';
  return result;
}

const BYTE_CHARACTERS: readonly string[] = byteCharacters();

function byteCharacters(): string[] {
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => {
    const prints = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte !== 0xad);
    return String.fromCharCode(prints ? byte : next++);
  });
}
