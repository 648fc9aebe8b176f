/**
 * JSON documents that come from outside: read with a bound on bytes and nesting before anything is parsed, and checked
 * against a schema. What is wrong is told as one line with the path of the key.
 */
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import type { z } from 'zod';
import { fromSystemError } from './errors.ts';
import { LIMITS } from './limits.ts';

/** A problem with a document, for the caller to wrap in its own error. */
export class JsonProblem extends Error {
  override readonly name = 'JsonProblem';
}

/** @throws FILE_NOT_FOUND, FILE_UNREADABLE; JsonProblem when it is not a regular file or too large */
export async function readBounded(file: string, maxBytes: number): Promise<Buffer> {
  try {
    // Non-blocking, because opening a FIFO would otherwise wait for a writer that never comes.
    const handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const stat = await handle.stat();
      if (!stat.isFile()) throw new JsonProblem('is not a regular file');
      if (stat.size > maxBytes) throw new JsonProblem(`has ${stat.size} bytes, more than the limit of ${maxBytes}`);
      const buffer = Buffer.alloc(stat.size);
      let filled = 0;
      while (filled < buffer.length) {
        const { bytesRead } = await handle.read(buffer, filled, buffer.length - filled, filled);
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
      return buffer.subarray(0, filled);
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw error instanceof JsonProblem ? error : fromSystemError(error, file, 'reading');
  }
}

/** @throws JsonProblem */
export function parseJson<T>(content: Uint8Array, schema: z.ZodType<T>): T {
  let value: unknown;
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(content);
    checkDepth(text);
    value = JSON.parse(text);
  } catch (error) {
    if (error instanceof JsonProblem) throw error;
    throw new JsonProblem(`is not JSON: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.slice(0, 5).map((issue) => {
    const at = issue.path.map(String).join('.');
    return at === '' ? issue.message : `${at}: ${issue.message}`;
  });
  throw new JsonProblem(problems.join('; '));
}

/** Nesting is checked on the text, because what walks the parsed value later does so recursively. */
function checkDepth(text: string): void {
  let depth = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (inString) {
      if (c === 0x5c) i++;
      else if (c === 0x22) inString = false;
    } else if (c === 0x22) inString = true;
    else if (c === 0x7b || c === 0x5b) {
      if (++depth > LIMITS.maxJsonDepth) throw new JsonProblem(`nests deeper than ${LIMITS.maxJsonDepth} levels`);
    } else if (c === 0x7d || c === 0x5d) depth--;
  }
}
