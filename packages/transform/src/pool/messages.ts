/**
 * What the gateway's thread and a transforming thread say to each other. Small tasks travel several to a message, because a message
 * costs more than tokenizing a sentence does.
 */
import type { Tensor, Tensors, WireError } from '@slipway/core';
import type { Declared } from '../signature.ts';

export interface Task {
  readonly id: number;
  readonly program: number;
  readonly inputs: Tensors;
  /** What the model gave: then the output steps are to be done, and `inputs` is what it took. null: the input steps. */
  readonly outputs: Tensors | null;
}

export type Order =
  | { readonly kind: 'open'; readonly program: number; readonly declared: Declared; readonly directory: string }
  | { readonly kind: 'close'; readonly program: number }
  | { readonly kind: 'run'; readonly tasks: readonly Task[] };

export interface Result {
  readonly id: number;
  readonly tensors: Tensors | null;
  readonly error: WireError | null;
}

export type Report =
  | { readonly kind: 'opened'; readonly program: number; readonly error: WireError | null }
  | { readonly kind: 'done'; readonly results: readonly Result[] };

/** A copy that can be moved to another thread; nobody else has its memory. */
export function movable(tensors: Tensors, transfer: ArrayBuffer[]): Tensors {
  return Object.fromEntries(Object.entries(tensors).map(([name, value]) => [name, moved(value, transfer)]));
}

function moved(value: Tensor, transfer: ArrayBuffer[]): Tensor {
  const own = <T extends { readonly buffer: ArrayBufferLike }>(copy: T): T => {
    transfer.push(copy.buffer as ArrayBuffer);
    return copy;
  };
  if (value.dtype !== 'string') return { ...value, data: own(value.data.slice()) } as Tensor;
  const data = value.data.map((element) => (typeof element === 'string' ? element : own(new Uint8Array(element))));
  return { ...value, data };
}

/** The memory of tensors that their maker gives away. */
export function buffersOf(tensors: Tensors): ArrayBuffer[] {
  const buffers = new Set<ArrayBuffer>();
  for (const { dtype, data } of Object.values(tensors)) {
    if (dtype !== 'string' && data.buffer instanceof ArrayBuffer && data.byteLength === data.buffer.byteLength) {
      buffers.add(data.buffer);
    }
  }
  return [...buffers];
}
