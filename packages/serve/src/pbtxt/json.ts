/**
 * The JSON form of a protobuf message (https://protobuf.dev/programming-guides/json) as the same tree that a text gives, so that
 * one schema reads both. In JSON a map is an object, a list is a list, and names of enum values and 64-bit numbers are strings.
 */
import { fail } from '@slipway/core';
import { PBTXT_LIMITS, type Field, type Value } from './parse.ts';
import type { ReadText } from './read.ts';
import type { Kind } from './schema.ts';
import { TextProblem } from './tokens.ts';

/** JSON has no places that would help: the path of the field is in every message. */
const START = { line: 1, column: 1 } as const;

/**
 * @param what for messages
 * @throws SERVING_CONFIG_INVALID
 */
export function readJson<T>(content: string, what: string, kind: Kind<T>): ReadText<T> {
  const warnings: string[] = [];
  const invalid = (problem: string) => fail('SERVING_CONFIG_INVALID', { path: what, problem });
  if (content.length > PBTXT_LIMITS.bytes) throw invalid(`is larger than ${PBTXT_LIMITS.bytes} bytes`);
  let json: unknown;
  try {
    json = JSON.parse(content);
  } catch (error) {
    throw invalid(`is not JSON: ${error instanceof Error ? error.message : ''}`);
  }
  try {
    const value = kind.read(toValue(json, 0), { path: '', warn: (_, problem) => warnings.push(`${what}: ${problem}`) });
    return { value, warnings };
  } catch (error) {
    if (error instanceof TextProblem) throw invalid(error.message);
    throw error;
  }
}

function toValue(json: unknown, depth: number): Value {
  if (depth > PBTXT_LIMITS.depth) throw new TextProblem(START, `is nested deeper than ${PBTXT_LIMITS.depth}`);
  if (typeof json === 'string') return { ...START, kind: 'string', bytes: Buffer.from(json), json: true };
  if (typeof json === 'number') return { ...START, kind: 'number', text: String(json) };
  if (typeof json === 'boolean') return { ...START, kind: 'name', text: String(json) };
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    throw new TextProblem(START, 'a list or null is in a place where a value belongs');
  }
  const fields = Object.entries(json).flatMap(([key, of]): Field[] => {
    const name = key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    const values: readonly unknown[] = Array.isArray(of) ? of : of === null ? [] : [of];
    return values.map((value) => ({ ...START, name, key, value: toValue(value, depth + 1) }));
  });
  return { ...START, kind: 'message', fields, json: true };
}
