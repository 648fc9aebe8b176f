/**
 * What bodies may be, by Content-Type; and which of several forms a client wants its answer in, by Accept.
 *
 * The table is closed: what is not in it is refused with 415 before the body is received. `application/x-www-form-urlencoded`
 * is JSON because that is what `curl -d` says without being told; so is `text/plain`, which is what `fetch` says of a string,
 * unless the model takes a text (`content/text.ts`).
 */
import { fail, type SlipwayError } from '@slipway/core';

/** How a body is read. `json` is left to the protocol of the route. */
export type BodyFormat = 'json' | 'npy' | 'npz' | 'arrow' | 'csv' | 'raw' | 'multipart' | 'image' | 'text';

const FORMATS: ReadonlyMap<string, BodyFormat> = new Map([
  ['application/json', 'json'],
  ['application/x-www-form-urlencoded', 'json'],
  ['application/x-npy', 'npy'],
  ['application/x-npz', 'npz'],
  ['application/vnd.apache.arrow.stream', 'arrow'],
  ['application/vnd.apache.arrow.file', 'arrow'],
  ['text/csv', 'csv'],
  ['application/octet-stream', 'raw'],
  ['multipart/form-data', 'multipart'],
  ['text/plain', 'text'],
]);

/** For messages. */
const BODY_TYPES: string = [...FORMATS.keys(), 'image/*'].filter((type) => !type.endsWith('urlencoded')).join(', ');

export interface MediaType {
  /** Lower case, without parameters. */
  readonly name: string;
  /** By lower-case name; values as sent, unquoted. */
  readonly parameters: ReadonlyMap<string, string>;
}

/** `type/subtype; name=value; name="value"`. Parameters that are not of that form are left out. */
export function parseMediaType(text: string): MediaType {
  const [name = '', ...rest] = splitQuoted(text, ';');
  const parameters = new Map<string, string>();
  for (const parameter of rest) {
    const [, key, plain, quoted] =
      /^\s*([\w!#$%&'*+.^`|~-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|(.*?))\s*$/.exec(parameter) ?? [];
    const value = quoted?.replace(/\\(.)/g, '$1') ?? plain;
    if (key !== undefined && value !== undefined && !parameters.has(key.toLowerCase())) {
      parameters.set(key.toLowerCase(), value);
    }
  }
  return { name: name.trim().toLowerCase(), parameters };
}

/** Cut at `separator`, but not within quotes. */
function splitQuoted(text: string, separator: string): string[] {
  if (!text.includes('"')) return text.split(separator);
  const parts: string[] = [];
  let quoted = false;
  let start = 0;
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '\\' && quoted) i++;
    else if (text[i] === '"') quoted = !quoted;
    else if (text[i] === separator && !quoted) {
      parts.push(text.slice(start, i));
      start = i + 1;
    }
  }
  return [...parts, text.slice(start)];
}

/** @param value the header Content-Type. @throws MEDIA_TYPE_UNSUPPORTED */
export function bodyFormat(value: string | undefined): BodyFormat {
  if (value === undefined || value === 'application/json') return 'json';
  const { name, parameters } = parseMediaType(value);
  const charset = parameters.get('charset')?.toLowerCase();
  if (charset !== undefined && charset !== 'utf-8' && charset !== 'utf8' && charset !== 'us-ascii') {
    throw unsupported(`charset "${charset.slice(0, 50)}" is not supported, only UTF-8`);
  }
  if (name === '' || /^application\/[\w.+-]+\+json$/.test(name)) return 'json';
  const format = FORMATS.get(name) ?? (/^image\/[\w.+-]+$/.test(name) ? 'image' : undefined);
  if (format !== undefined) return format;
  throw unsupported(`Content-Type "${name.slice(0, 100)}" is not supported; bodies may be ${BODY_TYPES}`);
}

const unsupported = (problem: string): SlipwayError => fail('MEDIA_TYPE_UNSUPPORTED', { problem });

interface Range {
  readonly type: MediaType;
  readonly quality: number;
}

/** Ranges beyond are not looked at: no client lists so many. */
const MAX_RANGES = 32;

/**
 * The form the client likes best (RFC 9110, 12.5.1): for each form the most specific range that names it decides its
 * quality; among equal ones the first of `offered` wins.
 * @param accept the header, `offered` media types, best first
 * @returns an index of `offered` and the range that chose it; -1 when the client takes none of them
 */
export function chooseType(accept: string, offered: readonly string[]): { index: number; type: MediaType } {
  const ranges = splitQuoted(accept.slice(0, 4096), ',').slice(0, MAX_RANGES).map(readRange);
  let best = { index: -1, type: { name: '', parameters: new Map<string, string>() } as MediaType };
  let quality = 0;
  offered.forEach((offer, index) => {
    let closest: Range | null = null;
    let closeness = 0;
    for (const range of ranges) {
      const rank = matches(range.type.name, offer);
      if (rank > closeness) {
        closeness = rank;
        closest = range;
      }
    }
    if (closest !== null && closest.quality > quality) {
      quality = closest.quality;
      best = { index, type: closest.type };
    }
  });
  return best;
}

function readRange(text: string): Range {
  const type = parseMediaType(text);
  const q = type.parameters.get('q');
  // A weight that is none counts as 1, as if it had not been given.
  return { type, quality: q !== undefined && /^(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/.test(q) ? Number(q) : 1 };
}

/** 0: not at all; more for a range that says more. */
function matches(range: string, offer: string): number {
  if (range === offer) return 3;
  if (range === '*/*') return 1;
  return range.endsWith('/*') && offer.startsWith(range.slice(0, -1)) ? 2 : 0;
}
