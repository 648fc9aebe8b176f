/** Where the requests for one version go in: its scheduler, or what stands before that and has the same words. */
import type { SlipwayError, Tensors } from '@slipway/core';
import type { Settle } from './job.ts';
import type { Asked } from './scheduler.ts';

export interface Intake {
  /** Requests not yet answered. */
  readonly pending: number;
  /**
   * @returns what cancels the request
   * @throws TENSOR_INVALID, QUEUE_FULL
   */
  submit(inputs: Tensors, asked: Asked, settle: Settle): () => void;
  /** Resolves when nothing is queued or executing for a client. */
  drained(): Promise<void>;
  /** Give up on everything that waits. */
  abort(error: SlipwayError): void;
}
