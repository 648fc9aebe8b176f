/**
 * One tokenizer, ready to encode: the models (WordPiece, BPE, Unigram), special tokens and templates are those of the library, the
 * text before them is cut by our normalizers and pre-tokenizers, which follow the `tokenizers` crate to the letter.
 *
 * What changes ids and is not done here is refused, with its name, when the tokenizer is read.
 */
import { booleanOf, type Component, isComponent, listOf, TokenizerProblem } from './component.ts';
import { libraryTokenizer, type LibraryTokenizer } from './library.ts';
import { type Normalize, normalizerOf } from './normalizers.ts';
import { type PreTokenize, preTokenizerOf } from './pre-tokenizers.ts';
import { wordPieceOf } from './vocabulary.ts';

/** One text, special tokens included. */
export interface Encoded {
  readonly ids: readonly number[];
  /** Segment of each token. */
  readonly types: readonly number[];
}

export interface Padding {
  readonly id: number;
  readonly type: number;
  readonly side: 'left' | 'right';
}

export interface TextEncoder {
  /** At most `maxLength` tokens; the text is cut, never the special tokens around it. */
  encode(text: string, maxLength: number): Encoded;
  readonly padding: Padding;
  /** Tokens that every text has around it. */
  readonly specialTokens: number;
}

/**
 * @param content of a `tokenizer.json` or a WordPiece `vocab.txt`
 * @throws TokenizerProblem
 */
export function readTokenizer(content: string): TextEncoder {
  const json = content.trimStart().startsWith('{') ? parse(content) : wordPieceOf(content);
  refuseUnknown(json);
  const normalize = normalizerOf(json['normalizer']);
  const preTokenize = preTokenizerOf(json['pre_tokenizer']);
  const tokenizer = assemble(json, normalize, preTokenize);
  const around = framing(tokenizer);
  const keepLeft = isComponent(json['truncation']) && json['truncation']['direction'] === 'Left';
  return {
    padding: paddingOf(json, tokenizer),
    specialTokens: around.before + around.after,
    encode(text, maxLength) {
      const { ids, token_type_ids: types = [] } = tokenizer.encode(text, { return_token_type_ids: true });
      const whole = { ids, types: types.length === ids.length ? types : ids.map(() => 0) };
      return ids.length <= maxLength ? whole : truncate(whole, maxLength, around, keepLeft);
    },
  };
}

function parse(content: string): Component {
  let json: unknown;
  try {
    json = JSON.parse(content);
  } catch (error) {
    throw new TokenizerProblem(`it is not JSON: ${error instanceof Error ? error.message : ''}`);
  }
  if (isComponent(json) && isComponent(json['model'])) return json;
  throw new TokenizerProblem('it has no "model"');
}

/** Settings of the `tokenizers` crate that change ids and that the library passes over. */
function refuseUnknown(json: Component): void {
  const model = json['model'] as Component;
  const refuse = (problem: string): never => {
    throw new TokenizerProblem(problem);
  };
  if (Number(model['dropout'] ?? 0) > 0) refuse('the model has dropout, which makes ids random');
  if (model['type'] === 'Unigram' && booleanOf(model, 'byte_fallback', false)) {
    refuse('Unigram with byte_fallback is not supported');
  }
  if (model['type'] === 'BPE' && (model['continuing_subword_prefix'] ?? '') !== '') {
    refuse('BPE with continuing_subword_prefix is not supported');
  }
  for (const token of listOf(json, 'added_tokens')) {
    if (!isComponent(token) || typeof token['content'] !== 'string' || !Number.isSafeInteger(token['id'])) {
      refuse('added_tokens has an entry without content and id');
    } else if (booleanOf(token, 'single_word', false)) {
      refuse(`the added token ${JSON.stringify(token['content'])} has single_word, which is not supported`);
    }
  }
}

/** The library's tokenizer with our text handling: built with stand-ins, which are then replaced. */
function assemble(json: Component, normalize: Normalize, preTokenize: PreTokenize): LibraryTokenizer {
  const model = json['model'] as Component;
  const added = listOf(json, 'added_tokens').map((given) => {
    const token = given as Component;
    const normalized = booleanOf(token, 'normalized', !booleanOf(token, 'special', false));
    return { ...token, normalized, content: normalized ? normalize(token['content'] as string) : token['content'] };
  });
  try {
    const tokenizer = libraryTokenizer(
      {
        model,
        added_tokens: added,
        normalizer: { type: 'Sequence', normalizers: [] },
        pre_tokenizer: null,
        post_processor: json['post_processor'] ?? null,
        decoder: null,
      },
      // WordLevel models are built from this one.
      { unk_token: model['unk_token'] },
    );
    tokenizer.normalizer = normalize;
    tokenizer.pre_tokenizer = (text, { section_index: index }) => preTokenize(text, index === 0);
    return tokenizer;
  } catch (error) {
    throw new TokenizerProblem(error instanceof Error ? error.message : String(error));
  }
}

interface Framing {
  readonly before: number;
  readonly after: number;
}

/** How many special tokens stand before and after a text, seen from the encoding of no text and of some. */
function framing(tokenizer: LibraryTokenizer): Framing {
  for (const probe of ['a', 'the', '1', '.', 'A', '\u4e00']) {
    const plain = tokenizer.encode(probe, { add_special_tokens: false }).ids;
    const framed = tokenizer.encode(probe).ids;
    if (plain.length === 0) continue;
    for (let before = 0; before + plain.length <= framed.length; before++) {
      const after = framed.length - plain.length - before;
      if (plain.every((id, i) => id === framed[before + i])) return { before, after };
    }
    throw new TokenizerProblem('its post-processor does not keep the tokens of a text together');
  }
  throw new TokenizerProblem('it gives no tokens for any text');
}

function truncate({ ids, types }: Encoded, maxLength: number, { before, after }: Framing, keepLeft: boolean): Encoded {
  const room = Math.max(0, maxLength - before - after);
  const end = ids.length - after;
  const cut = <T>(of: readonly T[]): T[] => {
    const text = keepLeft ? of.slice(end - room, end) : of.slice(before, before + room);
    return [...of.slice(0, before), ...text, ...of.slice(end)];
  };
  return { ids: cut(ids), types: cut(types) };
}

const PAD_TOKENS = ['[PAD]', '<pad>', '<|pad|>', '<PAD>', '</s>', '<|endoftext|>'];

/** What the file says of padding, else the token that is called so, else 0, which the mask hides anyway. */
function paddingOf(json: Component, tokenizer: LibraryTokenizer): Padding {
  const given = isComponent(json['padding']) ? json['padding'] : {};
  const { pad_id: id, pad_type_id: type, direction } = given;
  const named = PAD_TOKENS.map((token) => tokenizer.token_to_id(token)).find((found) => found !== undefined);
  return {
    id: typeof id === 'number' && Number.isSafeInteger(id) ? id : (named ?? 0),
    type: typeof type === 'number' && Number.isSafeInteger(type) ? type : 0,
    side: direction === 'Left' ? 'left' : 'right',
  };
}
