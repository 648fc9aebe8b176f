/**
 * A WordPiece `vocab.txt`: one token a line, the line is the id. It says nothing about the text before, which is BERT's: clean,
 * split at spaces, Chinese characters and punctuation. Whether it was lower-cased is read off the vocabulary: one without a
 * single capital was.
 */
import { type Component, TokenizerProblem } from './component.ts';

/** The `tokenizer.json` that means the same. @throws TokenizerProblem */
export function wordPieceOf(content: string): Component {
  const lines = content.split(/\r?\n/);
  if (lines.at(-1) === '') lines.pop();
  const vocab: Record<string, number> = Object.create(null) as Record<string, number>;
  lines.forEach((token, id) => (vocab[token] = id));
  const idOf = (token: string): number => {
    const id = vocab[token];
    if (id === undefined) throw new TokenizerProblem(`a vocab.txt needs a line ${token}`);
    return id;
  };
  const special = (token: string) => [token, { id: token, ids: [idOf(token)], tokens: [token] }] as const;
  const frame = (token: string, type: number) => ({ SpecialToken: { id: token, type_id: type } });
  const lowercase = !lines.some((token) => !/^\[.*\]$/.test(token) && /\p{Lu}/u.test(token));
  return {
    added_tokens: ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'].flatMap((token) =>
      token in vocab ? [{ id: idOf(token), content: token, special: true, normalized: false }] : [],
    ),
    normalizer: { type: 'BertNormalizer', lowercase, clean_text: true, handle_chinese_chars: true },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: {
      type: 'TemplateProcessing',
      single: [frame('[CLS]', 0), { Sequence: { id: 'A', type_id: 0 } }, frame('[SEP]', 0)],
      pair: [],
      special_tokens: Object.fromEntries(['[CLS]', '[SEP]'].map(special)),
    },
    model: {
      type: 'WordPiece',
      unk_token: '[UNK]',
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab,
    },
  };
}
