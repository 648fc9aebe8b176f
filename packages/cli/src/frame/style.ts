/**
 * How text looks: colours only when the stream is a terminal that wants them, and text cut to its width. Everything that prints
 * takes a `Style`, so that a pipe, NO_COLOR and a narrow terminal need no special case anywhere else.
 */
import { stripVTControlCharacters, styleText } from 'node:util';

export interface Style {
  /** Columns to stay within. */
  readonly width: number;
  readonly color: boolean;
  readonly bold: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly green: (text: string) => string;
  readonly yellow: (text: string) => string;
  readonly red: (text: string) => string;
  readonly cyan: (text: string) => string;
}

interface StreamFacts {
  readonly isTTY?: boolean;
  readonly columns?: number;
}

const WIDTH_OF_A_PIPE = 120;

export function styleFor(stream: StreamFacts, env: Readonly<Record<string, string | undefined>>): Style {
  const wanted = env['NO_COLOR'] === undefined || env['NO_COLOR'] === '';
  const color = stream.isTTY === true && wanted && env['TERM'] !== 'dumb';
  const paint =
    (format: Parameters<typeof styleText>[0]) =>
    (text: string): string =>
      color ? styleText(format, text, { validateStream: false }) : text;
  return {
    width: stream.isTTY === true ? (stream.columns ?? 80) : WIDTH_OF_A_PIPE,
    color,
    bold: paint('bold'),
    dim: paint('dim'),
    green: paint('green'),
    yellow: paint('yellow'),
    red: paint('red'),
    cyan: paint('cyan'),
  };
}

/** Columns a text takes: without escape sequences, by code point. */
export function columnsOf(text: string): number {
  return Array.from(stripVTControlCharacters(text)).length;
}

/** Break at spaces so that no line is longer than `width`; the lines after the first start with `indent`. */
export function wrap(text: string, width: number, indent = ''): string {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    const joined = line === '' ? word : `${line} ${word}`;
    const limit = Math.max(20, width - (lines.length === 0 ? 0 : indent.length));
    if (line !== '' && columnsOf(joined) > limit) {
      lines.push(line);
      line = word;
    } else line = joined;
  }
  lines.push(line);
  return lines.join(`\n${indent}`);
}
