/**
 * Protobuf text format to a tree that knows where everything stood. What fields there are and what they hold is not known
 * here (`schema.ts` does that), so a list and a repeated field are one thing: fields of the same name.
 *
 * The text comes from whoever can put a file into a model repository, or send one: its size, depth and number of fields are
 * bounded before anything is built.
 */
import { type Place, TextProblem, type Token, Tokens } from './tokens.ts';

export interface Field extends Place {
  readonly name: string;
  /** As it stood in JSON; there it may be the key of a map. */
  readonly key?: string;
  readonly value: Value;
}

export type Value = Place &
  /** `json`: it was an object, and may be a map. */
  (
    | { readonly kind: 'message'; readonly fields: readonly Field[]; readonly json?: true }
    /** `json`: it may be a number or the value of an enum. */
    | { readonly kind: 'string'; readonly bytes: Buffer; readonly json?: true }
    /** As written, with its sign: `-0x1F`, `1e3f`, `-inf`. */
    | { readonly kind: 'number'; readonly text: string }
    /** A value of an enum, `true`, `inf` … */
    | { readonly kind: 'name'; readonly text: string }
  );

export const PBTXT_LIMITS = { bytes: 4 * 1024 * 1024, depth: 50, fields: 100_000 } as const;

const CLOSES: Readonly<Record<string, string>> = { '{': '}', '<': '>' };

/** @throws TextProblem */
export function parseText(text: string): Value & { readonly kind: 'message' } {
  if (Buffer.byteLength(text) > PBTXT_LIMITS.bytes) {
    throw new TextProblem({ line: 1, column: 1 }, `is larger than ${PBTXT_LIMITS.bytes} bytes`);
  }
  return new Parser(text).root();
}

class Parser {
  readonly #tokens: Tokens;
  #token: Token;
  #fields = 0;

  constructor(text: string) {
    // A byte order mark is no part of the text.
    this.#tokens = new Tokens(text.startsWith('\uFEFF') ? text.slice(1) : text);
    this.#token = this.#tokens.next();
  }

  root(): Value & { readonly kind: 'message' } {
    return { kind: 'message', line: 1, column: 1, fields: this.#members(null, 0) };
  }

  /** @param close the symbol that ends the message, null for the end of the text */
  #members(close: { readonly symbol: string; readonly opened: Place } | null, depth: number): Field[] {
    const fields: Field[] = [];
    for (;;) {
      const token = this.#token;
      if (close === null ? token.kind === 'end' : this.#is(close.symbol)) {
        if (close !== null) this.#advance();
        return fields;
      }
      if (token.kind === 'end' && close !== null) {
        const { line, column } = close.opened;
        throw new TextProblem(token, `the text ends, and what was opened at ${line}:${column} is not closed`);
      }
      this.#field(fields, depth);
      if (this.#is(',') || this.#is(';')) this.#advance();
    }
  }

  #field(fields: Field[], depth: number): void {
    const place = this.#token;
    const name = this.#fieldName();
    const colon = this.#is(':');
    if (colon) this.#advance();
    const add = (value: Value): void => {
      if (++this.#fields > PBTXT_LIMITS.fields) throw new TextProblem(place, `more than ${PBTXT_LIMITS.fields} fields`);
      fields.push({ name, line: place.line, column: place.column, value });
    };
    if (this.#is('[')) {
      this.#advance();
      while (!this.#is(']')) {
        add(this.#value(depth));
        if (this.#is(',')) this.#advance();
        else if (!this.#is(']')) throw this.#unexpected('"," or "]"');
      }
      this.#advance();
      return;
    }
    if (!colon && !this.#is('{') && !this.#is('<')) throw this.#unexpected(`":" or "{" after "${name}"`);
    add(this.#value(depth));
  }

  /** A name, or the name of an extension or of the type of an `Any` in brackets, which are kept as written. */
  #fieldName(): string {
    const { kind } = this.#token;
    if (kind === 'name') return this.#take();
    if (!this.#is('[')) throw this.#unexpected('the name of a field');
    let name = '';
    while (!this.#is(']')) {
      if (this.#token.kind !== 'name' && !this.#is('[') && !this.#is('.') && !this.#is('/') && !this.#is('-')) {
        throw this.#unexpected('"]"');
      }
      name += this.#take();
    }
    this.#advance();
    return `${name}]`;
  }

  #value(depth: number): Value {
    const { line, column } = this.#token;
    const token = this.#token;
    if (this.#is('{') || this.#is('<')) {
      if (depth >= PBTXT_LIMITS.depth) throw new TextProblem(token, `is nested deeper than ${PBTXT_LIMITS.depth}`);
      const symbol = CLOSES[this.#take()] ?? '';
      return { kind: 'message', line, column, fields: this.#members({ symbol, opened: { line, column } }, depth + 1) };
    }
    if (token.kind === 'string') {
      const parts: Buffer[] = [];
      for (let part = this.#token; part.kind === 'string'; part = this.#token) {
        parts.push(part.bytes);
        this.#advance();
      }
      return { kind: 'string', line, column, bytes: Buffer.concat(parts) };
    }
    let sign = '';
    if (this.#is('-')) sign = this.#take();
    if (this.#token.kind === 'number') return { kind: 'number', line, column, text: sign + this.#take() };
    if (this.#token.kind === 'name') {
      const text = this.#take();
      if (sign === '') return { kind: 'name', line, column, text };
      if (/^(?:inf|infinity|nan)f?$/i.test(text)) return { kind: 'number', line, column, text: sign + text };
    }
    throw this.#unexpected('a value');
  }

  #is(symbol: string): boolean {
    return this.#token.kind === 'symbol' && this.#token.text === symbol;
  }

  #take(): string {
    const text = 'text' in this.#token ? this.#token.text : '';
    this.#advance();
    return text;
  }

  #advance(): void {
    this.#token = this.#tokens.next();
  }

  #unexpected(expected: string): TextProblem {
    const token = this.#token;
    const found =
      token.kind === 'end' ? 'the end' : token.kind === 'string' ? 'a string' : `"${token.text.slice(0, 60)}"`;
    return new TextProblem(token, `${expected} is expected, not ${found}`);
  }
}
