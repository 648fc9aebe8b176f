/**
 * What operators asked for, kept across restarts: models loaded on request and labels pointed by hand, in one small file that is
 * replaced as a whole, so that a crash leaves the old state or the new one. Writes follow each other; what changes while one is
 * under way is in the next.
 */
import { asSlipwayError, ensureDirectory, fail, type Logger, replaceFile } from '@slipway/core';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { Wishes, WishState } from './wishes.ts';

const SCHEMA = 'slipway.serving-state/v1';
const FILE = 'serving-state.json';

interface Stored extends WishState {
  readonly schema: typeof SCHEMA;
}

/** @returns null when nothing was kept yet. @throws SERVING_CONFIG_INVALID, FILE_UNREADABLE */
export async function readState(directory: string): Promise<WishState | null> {
  const file = path.join(directory, FILE);
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw fail('FILE_UNREADABLE', { path: file, problem: error instanceof Error ? error.message : '' });
  }
  try {
    const stored = JSON.parse(text) as Partial<Stored> | null;
    if (stored?.schema === SCHEMA && isRecord(stored.asked) && isRecord(stored.labels)) return stored as Stored;
  } catch {
    // Said below.
  }
  throw fail('SERVING_CONFIG_INVALID', {
    path: file,
    problem: `is not a state of the form ${SCHEMA}; remove it to start without`,
  });
}

const isRecord = (value: unknown): boolean => typeof value === 'object' && value !== null && !Array.isArray(value);

/** Writes the wishes down whenever they change. @returns what resolves when all is written */
export function keepState(directory: string, wishes: Wishes, logger: Logger): () => Promise<void> {
  const file = path.join(directory, FILE);
  let writing: Promise<void> | null = null;
  let changed = false;
  const write = async (): Promise<void> => {
    while (changed) {
      changed = false;
      const stored: Stored = { schema: SCHEMA, ...wishes.state() };
      try {
        await ensureDirectory(directory);
        await replaceFile(file, `${JSON.stringify(stored, null, 2)}\n`);
      } catch (error) {
        // Serving goes on; only a restart would miss it.
        const { message } = asSlipwayError(error);
        logger.error({ event: 'state.not_written' }, `${file} cannot be written: ${message}`);
      }
    }
    writing = null;
  };
  wishes.onChange = () => {
    changed = true;
    writing ??= write();
  };
  return async () => {
    while (writing !== null) await writing;
  };
}
