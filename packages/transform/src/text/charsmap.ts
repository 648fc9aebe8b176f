/**
 * The normalisation of SentencePiece, compiled into a file: a double-array trie (darts-clone) from UTF-8 prefixes to places in a
 * blob of replacements, each ended by a zero byte.
 *
 * Format: sentencepiece, `Normalizer::DecodePrecompiledCharsMap`; units: darts-clone `Details::DoubleArrayUnit`; how text is cut
 * before it is looked up: `tokenizers`, `normalizers/precompiled.rs`.
 */
import { TokenizerProblem } from './component.ts';

/** @param encoded base64 @throws TokenizerProblem */
export function precompiledCharsmap(encoded: string): (text: string) => string {
  const bytes = Buffer.from(encoded, 'base64');
  const trieBytes = bytes.length >= 4 ? bytes.readUInt32LE(0) : -1;
  if (trieBytes < 0 || trieBytes % 4 !== 0 || trieBytes > bytes.length - 4) {
    throw new TokenizerProblem('precompiled_charsmap does not hold the trie that it announces');
  }
  const units = new Uint32Array(trieBytes / 4);
  for (let i = 0; i < units.length; i++) units[i] = bytes.readUInt32LE(4 + 4 * i);
  const replacements = bytes.subarray(4 + trieBytes);
  const known = new Map<string, string | null>();
  const segments = new Intl.Segmenter(undefined, { granularity: 'grapheme' });

  const replacementOf = (chunk: string): string | null => {
    let found = known.get(chunk);
    if (found !== undefined) return found;
    const at = shortestPrefix(units, Buffer.from(chunk));
    found = null;
    if (at !== null) {
      const end = replacements.indexOf(0, at);
      found = replacements.toString('utf8', at, end === -1 ? replacements.length : end);
    }
    if (known.size < KEPT) known.set(chunk, found);
    return found;
  };

  return (text) => {
    let result = '';
    for (const { segment } of segments.segment(text)) {
      const whole = Buffer.byteLength(segment) < LONGEST_GRAPHEME ? replacementOf(segment) : null;
      if (whole !== null) result += whole;
      else for (const character of segment) result += replacementOf(character) ?? character;
    }
    return result;
  };
}

/** Bytes; longer ones are looked up character by character only. */
const LONGEST_GRAPHEME = 6;
/** Looked-up chunks that are remembered. */
const KEPT = 10_000;

/** The value of the shortest key that `key` starts with; null when there is none. */
function shortestPrefix(units: Uint32Array, key: Uint8Array): number | null {
  let unit = units[0] ?? 0;
  let at = offsetOf(unit);
  for (const byte of key) {
    if (byte === 0) break;
    at ^= byte;
    unit = units[at] ?? 0;
    if ((unit & 0x8000_00ff) >>> 0 !== byte) return null;
    at ^= offsetOf(unit);
    if (((unit >>> 8) & 1) === 1) return (units[at] ?? 0) & 0x7fff_ffff;
  }
  return null;
}

const offsetOf = (unit: number): number => (unit >>> 10) << ((unit & 0x200) >>> 6);
