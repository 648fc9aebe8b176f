/**
 * Large payloads travel through shared memory: an unlinked file in /dev/shm whose descriptor the runner inherits. One copy in,
 * one copy out at memory speed, no 200 KB socket buffer to play ping-pong over; and since the runner reads it
 * only when it gets there, the next batch is in place while the current one executes.
 *
 * The file has no name, so a killed process leaves nothing behind. It is sparse: every slot has a range of its own, and
 * only pages that were written exist. Whoever writes a slot must know that its previous content was read; the pipeline
 * depth guarantees it. Where there is no /dev/shm, or it is full (containers get 64 MB by default), payloads travel in the
 * frame: slower, never wrong.
 */
import { randomUUID } from 'node:crypto';
import { closeSync, ftruncateSync, openSync, readSync, unlinkSync, writeSync } from 'node:fs';
import { parts, type Stacked } from './frame.ts';

/** Below this a frame carries the payload itself: measured in bench/runner-transport. */
export const SHARED_FROM_BYTES = 48 * 1024;

/** Calls that may be under way: one executes, one waits in place. A slot is used again when its call was answered. */
export const PIPELINE_DEPTH = 2;

/** Distance of two slots in the sparse file; more than any payload. */
const SLOT_BYTES = 2 ** 36;

export const slotOffset = (slot: number): number => slot * SLOT_BYTES;

/** An anonymous shared file, or null where the system has none. */
export function openShared(directory = '/dev/shm'): number | null {
  const path = `${directory}/slipway-${randomUUID()}`;
  try {
    const fd = openSync(path, 'wx+', 0o600);
    unlinkSync(path);
    return fd;
  } catch {
    return null;
  }
}

/** Write the payload of `tensors` at `position`. False when there is no room: send it another way. */
export function writeShared(fd: number, position: number, tensors: Stacked): boolean {
  try {
    for (const { offset, bytes } of parts(tensors)) {
      for (let done = 0; done < bytes.byteLength;) {
        done += writeSync(fd, bytes, done, bytes.byteLength - done, position + offset + done);
      }
    }
    return true;
  } catch {
    return false;
  }
}

/** Fill `target` from `position`. */
export function readShared(fd: number, position: number, target: Uint8Array): void {
  for (let done = 0; done < target.byteLength;) {
    const count = readSync(fd, target, done, target.byteLength - done, position + done);
    if (count === 0) throw new Error('shared payload is cut off');
    done += count;
  }
}

/** Give the pages back. Only when nobody is using the file. */
export function emptyShared(fd: number): void {
  ftruncateSync(fd, 0);
}

export function closeShared(fd: number): void {
  closeSync(fd);
}
