/**
 * What we use of `@huggingface/tokenizers`, with types of our own: its declarations name files without extensions, which Node's
 * resolution does not find, so to the compiler everything in it would be `any`.
 */
import * as library from '@huggingface/tokenizers';

export interface LibraryTokenizer {
  encode(
    text: string,
    options?: { readonly add_special_tokens?: boolean; readonly return_token_type_ids?: boolean },
  ): { readonly ids: readonly number[]; readonly token_type_ids?: readonly number[] };
  token_to_id(token: string): number | undefined;
  /** Called on what stands between special tokens. */
  normalizer: ((text: string) => string) | null;
  /** `section_index`: how many special tokens and texts stand before. */
  pre_tokenizer: ((text: string, options: { readonly section_index?: number }) => string[]) | null;
}

interface Library {
  readonly Tokenizer: new (json: object, config: object) => LibraryTokenizer;
  readonly SplitPreTokenizer: new (json: object) => { readonly pattern: RegExp | null };
}

const { Tokenizer, SplitPreTokenizer } = library as unknown as Library;

/** @param json a `tokenizer.json` @throws whatever it does not know */
export function libraryTokenizer(json: object, config: object): LibraryTokenizer {
  return new Tokenizer(json, config);
}

/** An expression written for Oniguruma, as one of JavaScript. @throws what it cannot translate */
export function translatePattern(source: string): RegExp | null {
  return new SplitPreTokenizer({ type: 'Split', pattern: { Regex: source }, behavior: 'Isolated', invert: false })
    .pattern;
}
