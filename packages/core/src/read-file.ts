/**
 * Whole files in memory, safely: a regular file only (a pipe or /dev/zero would never end), no larger than the caller
 * allows, and also beyond the 2 GiB at which `fs.readFile` gives up. The buffer starts at offset 0 of its memory,
 * so that numbers inside can be viewed instead of copied.
 */
import fs from 'node:fs';
import { fail, fromSystemError } from './errors.ts';

/** One read call; the system itself transfers at most 2 GiB - 4 KiB. */
const CHUNK = 1 << 30;

/** @throws FILE_NOT_FOUND, FILE_UNREADABLE; DATA_FORMAT when larger than `maxBytes` */
export function readFileBounded(path: string, maxBytes: number): Uint8Array<ArrayBuffer> {
  let fd: number;
  try {
    fd = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
  } catch (error) {
    throw fromSystemError(error, path, 'reading');
  }
  try {
    const stat = fs.fstatSync(fd);
    if (!stat.isFile()) throw fail('FILE_UNREADABLE', { path, problem: 'not a regular file' });
    if (stat.size > maxBytes) {
      throw fail('DATA_FORMAT', { path, problem: `is ${stat.size} bytes, more than the limit of ${maxBytes}` });
    }
    const bytes = new Uint8Array(stat.size);
    let filled = 0;
    while (filled < bytes.length) {
      const count = fs.readSync(fd, bytes, filled, Math.min(CHUNK, bytes.length - filled), null);
      if (count === 0) throw fail('FILE_UNREADABLE', { path, problem: 'became shorter while it was read' });
      filled += count;
    }
    return bytes;
  } catch (error) {
    throw fromSystemError(error, path, 'reading');
  } finally {
    fs.closeSync(fd);
  }
}
