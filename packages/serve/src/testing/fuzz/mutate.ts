/**
 * Inputs that are nearly right: entries of a corpus, changed a little, by a seed. The same seed and corpus give the same inputs, so that
 * a finding is a number.
 *
 * Blind changes of bytes seldom get past a checksum or a length. So numbers are changed as numbers (of every width, at the borders), text
 * as tokens, and whole ranges move between entries.
 */

/** 32 bits at a time (xorshift32). */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0 === 0 ? 0x9e3779b9 : seed >>> 0;
  }

  /** A whole number from 0 to `below` - 1. */
  below(below: number): number {
    let state = this.#state;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.#state = state >>> 0;
    return this.#state % Math.max(1, below);
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)] as T;
  }
}

const BORDERS: readonly bigint[] = [
  0n,
  1n,
  2n,
  7n,
  8n,
  127n,
  128n,
  255n,
  256n,
  32_767n,
  32_768n,
  65_535n,
  65_536n,
  2n ** 24n,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 32n,
  2n ** 53n - 1n,
  2n ** 53n,
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 64n - 1n,
  -1n,
  -2n,
];
const TOKENS: readonly string[] = [
  '0',
  '-0',
  '-1',
  '1e999',
  '1e-999',
  '0.1e+1',
  '1.7976931348623157e308',
  '9007199254740993',
  '18446744073709551616',
  'NaN',
  'Infinity',
  'null',
  'true',
  '[]',
  '{}',
  '""',
  '"\\u0000"',
  '"\\ud800"',
  '[[',
  ']]',
  ',',
  ':',
  '"__proto__"',
  '"shape"',
  '"b64"',
  '\r\n',
  '\r\n\r\n',
  '\0',
  '\u{feff}',
  '%00',
  '..',
  ' '.repeat(40),
  '['.repeat(120),
];

type Mutation = (bytes: Buffer, random: Random, corpus: readonly Buffer[]) => Buffer;

const splice = (bytes: Buffer, from: number, to: number, insert: Uint8Array): Buffer =>
  Buffer.concat([bytes.subarray(0, from), insert, bytes.subarray(to)]);

/** Two places in order, not far from each other most of the time. */
function range(bytes: Buffer, random: Random): [number, number] {
  const from = random.below(bytes.length + 1);
  const length = random.below(random.below(4) === 0 ? bytes.length + 1 : 16);
  return [from, Math.min(bytes.length, from + length)];
}

const MUTATIONS: readonly Mutation[] = [
  function flipBit(bytes, random) {
    const copy = Buffer.from(bytes);
    const at = random.below(copy.length);
    if (copy.length > 0) copy[at] = (copy[at] as number) ^ (1 << random.below(8));
    return copy;
  },
  function setByte(bytes, random) {
    const copy = Buffer.from(bytes);
    if (copy.length > 0) copy[random.below(copy.length)] = random.below(256);
    return copy;
  },
  function setNumber(bytes, random) {
    const width = random.pick([1, 2, 4, 8]);
    if (bytes.length < width) return bytes;
    const copy = Buffer.from(bytes);
    const number = Buffer.alloc(8);
    number.writeBigUInt64LE(BigInt.asUintN(64, random.pick(BORDERS)));
    const part = number.subarray(0, width);
    if (random.below(4) === 0) part.reverse();
    part.copy(copy, random.below(bytes.length - width + 1));
    return copy;
  },
  function nudgeNumber(bytes, random) {
    if (bytes.length < 4) return bytes;
    const copy = Buffer.from(bytes);
    const at = random.below(copy.length - 3);
    copy.writeInt32LE((copy.readInt32LE(at) + random.below(17) - 8) | 0, at);
    return copy;
  },
  function remove(bytes, random) {
    const [from, to] = range(bytes, random);
    return splice(bytes, from, to, Buffer.alloc(0));
  },
  function repeat(bytes, random) {
    const [from, to] = range(bytes, random);
    const part = bytes.subarray(from, to);
    return splice(bytes, to, to, Buffer.concat(Array.from({ length: 1 + random.below(8) }, () => part)));
  },
  function cut(bytes, random) {
    return bytes.subarray(0, random.below(bytes.length + 1));
  },
  function fromAnother(bytes, random, corpus) {
    const other = random.pick(corpus);
    const [from, to] = range(bytes, random);
    const [start, end] = range(other, random);
    return splice(bytes, from, to, other.subarray(start, end));
  },
  function insertToken(bytes, random) {
    const [from, to] = range(bytes, random);
    return splice(bytes, from, random.below(2) === 0 ? from : to, Buffer.from(random.pick(TOKENS)));
  },
  function replaceDigits(bytes, random) {
    const text = bytes.toString('latin1');
    const numbers = [...text.matchAll(/\d+/g)];
    if (numbers.length === 0) return bytes;
    const chosen = random.pick(numbers);
    const number = random.below(2) === 0 ? String(random.pick(BORDERS)) : random.pick(TOKENS);
    return splice(bytes, chosen.index, chosen.index + chosen[0].length, Buffer.from(number));
  },
  function swapWords(bytes, random) {
    const text = bytes.toString('latin1');
    const words = [...text.matchAll(/[\w.+-]+/g)];
    if (words.length < 2) return bytes;
    const [a, b] = [random.pick(words), random.pick(words)];
    return Buffer.from(text.slice(0, a.index) + b[0] + text.slice(a.index + a[0].length), 'latin1');
  },
];

/** Longer inputs find nothing that shorter ones do not, and take longer. */
const LONGEST = 64 * 1024;

/** One to six changes of one entry. */
export function mutate(corpus: readonly Buffer[], random: Random): Buffer {
  let bytes = random.pick(corpus);
  for (let left = 1 + random.below(6); left > 0; left--) bytes = random.pick(MUTATIONS)(bytes, random, corpus);
  return Buffer.from(bytes.subarray(0, LONGEST));
}
