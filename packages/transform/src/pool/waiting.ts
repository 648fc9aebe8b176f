/** A task in the pool, from its submission to its end. */
import type { SlipwayError, Tensors } from '@slipway/core';
import type { Task } from './messages.ts';

export type Settle = (error: SlipwayError | null, tensors: Tensors | null) => void;

export interface Waiting {
  readonly task: Task;
  /** What `task` holds and nobody else does. */
  readonly buffers: ArrayBuffer[];
  readonly bytes: number;
  readonly settle: Settle;
  /** Its client is gone, or it was answered: the result does not matter any more. */
  over: boolean;
  /** It was in a batch whose thread ended, and goes by itself now: it may have been the reason. */
  alone: boolean;
}
