/**
 * The words of the protobuf text format (https://protobuf.dev/reference/protobuf/textformat-spec), each with its place, one at a
 * time. Comments and white space are between them. A string is bytes: its escapes may say anything.
 */

export interface Place {
  /** From 1. */
  readonly line: number;
  readonly column: number;
}

export type Token = Place &
  (
    | { readonly kind: 'name' | 'number' | 'symbol'; readonly text: string }
    | { readonly kind: 'string'; readonly bytes: Buffer }
    | { readonly kind: 'end' }
  );

/** What is wrong, and where. Callers add the file. */
export class TextProblem extends Error {
  readonly place: Place;
  constructor(place: Place, message: string) {
    super(message);
    this.place = { line: place.line, column: place.column };
  }
}

const BLANK = /[ \t\r\n\v\f]+|#[^\n]*/y;
const NAME = /[A-Za-z_][A-Za-z0-9_]*/y;
/** Hexadecimal, octal and decimal, with a fraction, an exponent and the suffix of a float. What follows must not belong to it. */
const NUMBER = /0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?[fF]?/y;
const SYMBOLS = '{}<>[]:,;-./';
const SIMPLE: Readonly<Record<string, number>> = {
  a: 7,
  b: 8,
  f: 12,
  n: 10,
  r: 13,
  t: 9,
  v: 11,
  '\\': 92,
  "'": 39,
  '"': 34,
  '?': 63,
};

export class Tokens {
  readonly #text: string;
  #at = 0;
  #line = 1;
  #lineStart = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /** @throws TextProblem */
  next(): Token {
    for (let blank = this.#match(BLANK); blank !== null; blank = this.#match(BLANK)) this.#countLines(blank);
    const place = this.#place(this.#at);
    const character = this.#text[this.#at];
    if (character === undefined) return { ...place, kind: 'end' };
    if (character === '"' || character === "'") {
      return { ...place, kind: 'string', bytes: this.#string(character, place) };
    }
    const name = this.#match(NAME);
    if (name !== null) return { ...place, kind: 'name', text: name };
    const number = this.#match(NUMBER);
    if (number !== null) {
      if (/[A-Za-z0-9_.]/.test(this.#text[this.#at] ?? '')) {
        throw new TextProblem(
          place,
          `"${this.#text.slice(place.column + this.#lineStart - 1, this.#at + 1)}…" is not a number`,
        );
      }
      return { ...place, kind: 'number', text: number };
    }
    if (SYMBOLS.includes(character)) {
      this.#at++;
      return { ...place, kind: 'symbol', text: character };
    }
    throw new TextProblem(place, `${JSON.stringify(character)} does not belong here`);
  }

  #match(pattern: RegExp): string | null {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0] ?? null;
    if (found !== null) this.#at += found.length;
    return found;
  }

  #countLines(blank: string): void {
    const start = this.#at - blank.length;
    for (let at = blank.indexOf('\n'); at !== -1; at = blank.indexOf('\n', at + 1)) {
      this.#line++;
      this.#lineStart = start + at + 1;
    }
  }

  #place(at: number): Place {
    return { line: this.#line, column: at - this.#lineStart + 1 };
  }

  #string(quote: string, place: Place): Buffer {
    const parts: Buffer[] = [];
    this.#at++;
    for (let start = this.#at; ;) {
      const character = this.#text[this.#at];
      if (character === undefined || character === '\n') {
        throw new TextProblem(place, 'the string has no end on its line');
      }
      if (character === quote || character === '\\') parts.push(Buffer.from(this.#text.slice(start, this.#at)));
      this.#at++;
      if (character === quote) return Buffer.concat(parts);
      if (character !== '\\') continue;
      parts.push(this.#escape());
      start = this.#at;
    }
  }

  /** What follows a backslash. */
  #escape(): Buffer {
    const place = this.#place(this.#at - 1);
    const rest = this.#text.slice(this.#at, this.#at + 9);
    const octal = /^[0-7]{1,3}/.exec(rest)?.[0];
    const hex = /^x([0-9a-fA-F]{1,2})/.exec(rest);
    const point = /^(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))/.exec(rest);
    const simple = SIMPLE[rest[0] ?? ''];
    if (octal !== undefined) {
      this.#at += octal.length;
      const value = Number.parseInt(octal, 8);
      if (value > 255) throw new TextProblem(place, `\\${octal} is more than a byte`);
      return Buffer.of(value);
    }
    if (hex !== null) {
      this.#at += hex[0].length;
      return Buffer.of(Number.parseInt(hex[1] ?? '', 16));
    }
    if (point !== null) {
      this.#at += point[0].length;
      const value = Number.parseInt(point[1] ?? point[2] ?? '', 16);
      if (value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff)) {
        throw new TextProblem(place, `\\${point[0]} is not a character`);
      }
      return Buffer.from(String.fromCodePoint(value));
    }
    if (simple === undefined) throw new TextProblem(place, `\\${rest[0] ?? ''} is not an escape`);
    this.#at++;
    return Buffer.of(simple);
  }
}
