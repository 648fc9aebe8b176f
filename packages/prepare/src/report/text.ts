/** Plain text of a known width: padding, cutting, wrapping, colour. Glyphs used here are one column wide each. */

/** Characters as people count them: a letter with its accents is one. */
function characters(text: string): string[] {
  return Array.from(new Intl.Segmenter('en', { granularity: 'grapheme' }).segment(text), ({ segment }) => segment);
}

/** Columns a text takes, without control sequences. */
export function textWidth(text: string): number {
  return characters(text).length;
}

/** Cut to `width` columns, with an ellipsis when something was lost. */
export function truncate(text: string, width: number): string {
  const all = characters(text);
  if (all.length <= width) return text;
  const kept = all.slice(0, Math.max(0, width - 1));
  return width <= 0 ? '' : `${kept.join('').trimEnd()}…`;
}

export function pad(text: string, width: number, align: 'left' | 'right'): string {
  const space = ' '.repeat(Math.max(0, width - textWidth(text)));
  return align === 'left' ? text + space : space + text;
}

/** Break at spaces into lines of at most `width` columns; a word longer than a line is cut into pieces. */
export function wrap(text: string, width: number): string[] {
  const limit = Math.max(1, width);
  const lines: string[] = [];
  let line = '';
  const words = text.split(/\s+/).filter((part) => part !== '');
  for (const word of words.flatMap((part) => pieces(part, limit))) {
    if (line === '') line = word;
    else if (textWidth(line) + 1 + textWidth(word) <= limit) line += ` ${word}`;
    else {
      lines.push(line);
      line = word;
    }
  }
  return line === '' ? lines : [...lines, line];
}

function pieces(word: string, limit: number): string[] {
  const all = characters(word);
  const parts: string[] = [];
  for (let start = 0; start < all.length; start += limit) {
    parts.push(all.slice(start, start + limit).join(''));
  }
  return parts;
}

export interface Style {
  readonly plain: (text: string) => string;
  readonly strong: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly good: (text: string) => string;
  readonly bad: (text: string) => string;
  readonly warn: (text: string) => string;
}

const plain = (text: string): string => text;

export function styles(color: boolean): Style {
  if (!color) return { plain, strong: plain, dim: plain, good: plain, bad: plain, warn: plain };
  const sgr =
    (code: string) =>
    (text: string): string =>
      `\u001b[${code}m${text}\u001b[0m`;
  return { plain, strong: sgr('1'), dim: sgr('2'), good: sgr('1;32'), bad: sgr('31'), warn: sgr('33') };
}
