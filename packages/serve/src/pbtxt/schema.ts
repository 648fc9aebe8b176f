/**
 * What the fields of a text are, and the text as values. A file format is declared once, as kinds:
 *
 *     const policy = message({ latest: message({ num_versions: whole({ min: 1 }) }), all: message({}) });
 *
 * and its type follows. The schema is closed: a field that is not declared is an error with a did-you-mean. A field that
 * the format has and we do nothing with is declared `ignored`, with why, and said in a warning; so no setting is dropped in
 * silence.
 */
import { suggest } from '@slipway/core';
import type { Value } from './parse.ts';
import { type Place, TextProblem } from './tokens.ts';

/** Called with every field that is read and of no effect. */
type Warn = (place: Place, message: string) => void;

interface Context {
  /** Dotted names from the root, for messages. */
  readonly path: string;
  readonly warn: Warn;
}

/** How one value is read. */
export interface Kind<T> {
  readonly repeated?: 'list' | 'map';
  /** @throws TextProblem */
  read(value: Value, context: Context): T;
}

/** Of a field that may be there several times: what it reads is collected. */
export interface Repeated<T> extends Kind<T> {
  readonly repeated: 'list';
}
export interface Mapped<T> extends Kind<readonly [string, T]> {
  readonly repeated: 'map';
}

type Kinds = Readonly<Record<string, Kind<unknown>>>;
type TypeOf<K> =
  K extends Mapped<infer T>
    ? ReadonlyMap<string, T>
    : K extends Repeated<infer T>
      ? readonly T[]
      : K extends Kind<infer T>
        ? T
        : never;
/** Every field is optional, as in the text. */
export type MessageOf<F extends Kinds> = { readonly [K in keyof F]?: TypeOf<F[K]> };

export function message<F extends Kinds>(fields: F): Kind<MessageOf<F>> {
  return {
    read(value, context) {
      if (value.kind !== 'message') throw new TextProblem(value, `${context.path} must be a message: { … }`);
      const read: Record<string, unknown> = {};
      for (const field of value.fields) {
        const path = context.path === '' ? field.name : `${context.path}.${field.name}`;
        const kind = Object.hasOwn(fields, field.name) ? fields[field.name] : undefined;
        if (kind === undefined) {
          throw new TextProblem(field, `unknown field "${field.name}"${suggest(field.name, Object.keys(fields))}`);
        }
        if (kind.repeated === 'map' && field.value.kind === 'message' && field.value.json === true) {
          const entries = field.value.fields.map(({ name, key = name, value: of }) => asEntry(key, of));
          read[field.name] = new Map(
            entries.map((entry) => kind.read(entry, { ...context, path }) as [string, unknown]),
          );
          continue;
        }
        const found = kind.read(field.value, { ...context, path });
        if (kind.repeated === 'list') {
          read[field.name] = [...((read[field.name] as unknown[] | undefined) ?? []), found];
        } else if (kind.repeated === 'map') {
          const [key, of] = found as readonly [string, unknown];
          read[field.name] = new Map((read[field.name] as Map<string, unknown> | undefined) ?? []).set(key, of);
        } else {
          if (Object.hasOwn(read, field.name)) throw new TextProblem(field, `${path} is given twice`);
          read[field.name] = found;
        }
      }
      return read as MessageOf<F>;
    },
  };
}

export function repeated<T>(kind: Kind<T>): Repeated<T> {
  return { repeated: 'list', read: (value, context) => kind.read(value, context) };
}

/** A map field: entries of `key` and `value`. Keys that are numbers are their decimal text. */
export function map<T>(kind: Kind<T>): Mapped<T> {
  const entry = message({ key: keyText, value: kind });
  return {
    repeated: 'map',
    read(value, context) {
      const { key, value: of } = entry.read(value, context) as { key?: string; value?: T };
      if (key === undefined || of === undefined) {
        throw new TextProblem(value, `${context.path} needs a key and a value`);
      }
      return [key, of];
    },
  };
}

/** An entry of a map of JSON, as the text format writes one. */
function asEntry(key: string, value: Value): Value {
  const { line, column } = value;
  const name: Value = { line, column, kind: 'string', bytes: Buffer.from(key) };
  const fields = [
    { line, column, name: 'key', value: name },
    { line, column, name: 'value', value },
  ];
  return { line, column, kind: 'message', fields };
}

const keyText: Kind<string> = {
  read: (value, context) => (value.kind === 'number' ? value.text : string.read(value, context)),
};

/** A string of JSON; null for anything else. */
function textOfJson(value: Value): string | null {
  return value.kind === 'string' && value.json === true ? value.bytes.toString() : null;
}

const UTF8 = new TextDecoder('utf-8', { fatal: true });

export const string: Kind<string> = {
  read(value, { path }) {
    if (value.kind !== 'string') throw new TextProblem(value, `${path} must be a string in quotes`);
    try {
      return UTF8.decode(value.bytes);
    } catch {
      throw new TextProblem(value, `${path} is not UTF-8`);
    }
  },
};

/** An integer; one with all digits of a 64-bit number is beyond what a number holds, and refused. */
export function whole({ min = 0, max = Number.MAX_SAFE_INTEGER }: { min?: number; max?: number } = {}): Kind<number> {
  return {
    read(value, { path }) {
      const text = value.kind === 'number' ? value.text : textOfJson(value);
      const number = text === null ? null : integer(text);
      if (number === null || number < min || number > max) {
        const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;
        throw new TextProblem(value, `${path} must be a whole number ${range}`);
      }
      return number;
    },
  };
}

function integer(text: string): number | null {
  const [, sign = '', digits = ''] = /^(-?)(0[xX][0-9a-fA-F]+|\d+)$/.exec(text) ?? [];
  if (digits === '') return null;
  const octal = /^0\d+$/.test(digits);
  if (octal && /[89]/.test(digits)) return null;
  const number = Number(octal ? `0o${digits.slice(1)}` : digits);
  return Number.isSafeInteger(number) ? (sign === '-' ? -number : number) : null;
}

export const float: Kind<number> = {
  read(value, { path }) {
    if (value.kind === 'number' || value.kind === 'name') {
      const special = /^(-?)(?:(inf(?:inity)?)|nan)f?$/i.exec(value.text);
      if (special !== null) return special[2] === undefined ? NaN : special[1] === '-' ? -Infinity : Infinity;
      if (value.kind === 'number') {
        const number = integer(value.text) ?? Number(value.text.replace(/[fF]$/, ''));
        if (!Number.isNaN(number)) return number;
      }
    }
    throw new TextProblem(value, `${path} must be a number`);
  },
};

const TRUE: readonly string[] = ['true', 'True', 't', '1'];
const FALSE: readonly string[] = ['false', 'False', 'f', '0'];

export const bool: Kind<boolean> = {
  read(value, { path }) {
    const text = value.kind === 'name' || value.kind === 'number' ? value.text : '';
    if (TRUE.includes(text)) return true;
    if (FALSE.includes(text)) return false;
    throw new TextProblem(value, `${path} must be true or false`);
  },
};

/** @param values name → number */
export function oneOf<const N extends string>(values: Readonly<Record<N, number>>): Kind<N> {
  const names = Object.keys(values) as N[];
  return {
    read(value, { path }) {
      const text = value.kind === 'name' || value.kind === 'number' ? value.text : (textOfJson(value) ?? '');
      const found = names.find((name) => (value.kind === 'number' ? values[name] === integer(text) : name === text));
      if (found !== undefined) return found;
      const options = names.length > 12 ? '' : `; it is one of ${names.join(', ')}`;
      throw new TextProblem(value, `${path}: "${text}" is not known${suggest(text, names) || options}`);
    },
  };
}

/** Anything, without a look inside; said in a warning. */
export function ignored(why: string): Repeated<null> {
  return {
    repeated: 'list',
    read(value, { path, warn }) {
      warn(value, `${path} is of no effect: ${why}`);
      return null;
    },
  };
}

/** Anything, without a look inside and without a word: it has no meaning for a server. */
export const unread: Repeated<null> = { repeated: 'list', read: () => null };
