/** A file in the protobuf text format, read by its schema. */
import { fail } from '@slipway/core';
import { parseText } from './parse.ts';
import type { Kind } from './schema.ts';
import { type Place, TextProblem } from './tokens.ts';

export interface ReadText<T> {
  readonly value: T;
  /** `FILE:LINE:COLUMN: …`, in the order of the text. */
  readonly warnings: readonly string[];
}

/**
 * @param file for messages
 * @throws SERVING_CONFIG_INVALID with the file, the line and the column
 */
export function readText<T>(content: Uint8Array, file: string, kind: Kind<T>): ReadText<T> {
  const warnings: string[] = [];
  const at = ({ line, column }: Place): string => `${file}:${line}:${column}`;
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(content);
    const value = kind.read(parseText(text), {
      path: '',
      warn: (place, problem) => warnings.push(`${at(place)}: ${problem}`),
    });
    return { value, warnings };
  } catch (error) {
    if (error instanceof TextProblem) {
      throw fail('SERVING_CONFIG_INVALID', { path: at(error.place), problem: error.message }, { cause: error });
    }
    if (error instanceof TypeError) throw fail('SERVING_CONFIG_INVALID', { path: file, problem: 'is not UTF-8 text' });
    throw error;
  }
}
