/**
 * The calls of one runner, in order: waiting here, sent, answered. At most `PIPELINE_DEPTH` are sent, so that the next one is in
 * place when the runner finishes the current one, and no more is lost with it than must be.
 *
 * The runner executes in order and answers each call before it reads the next. So when it dies, the first sent call that has no
 * answer may have been executing (RUNNER_LOST), and every later one certainly had not begun (RUNNER_GONE): those can be
 * sent to another runner without doing anything twice.
 */
import type { Socket } from 'node:net';
import { type Clock, fail, fromWire, type SlipwayError, type WireError } from '@slipway/core';
import type { RunnerExit } from './runner.ts';
import type { SharedFiles } from './spawn.ts';
import { FrameReader } from './wire/frame-reader.ts';
import { describe, type Description, encode, type Frame, type Kind, KIND, type Stacked } from './wire/frame.ts';
import { emptyShared, PIPELINE_DEPTH, readShared, SHARED_FROM_BYTES, slotOffset, writeShared } from './wire/memory.ts';

export interface CallsOptions {
  readonly model: string;
  readonly socket: Socket;
  readonly shared: SharedFiles | null;
  readonly clock: Clock;
  readonly hangTimeoutMs: number;
  /** The runner has not answered in time. */
  readonly onHang: () => void;
  /** What it sent cannot be read. */
  readonly onNonsense: () => void;
}

interface Call {
  readonly kind: Kind;
  readonly description: object | null;
  readonly tensors: Stacked | null;
  readonly resolve: (answer: Frame) => void;
  readonly reject: (error: SlipwayError) => void;
}

/** An idle runner is asked whether it lives so often, milliseconds. */
const HEARTBEAT_MS = 5000;

export class Calls {
  readonly #options: CallsOptions;
  readonly #waiting: Call[] = [];
  /** Sent and not answered, oldest first; the id of the oldest is `#oldest`. */
  readonly #sent: Call[] = [];
  readonly #idle: (() => void)[] = [];
  #oldest = 0;
  /** When the runner last had reason to move on: it got work when idle, or answered. */
  #moved: number;
  #gone: RunnerExit | null = null;
  #cancelWatch: () => void = () => undefined;
  #sharedUsed = false;

  constructor(options: CallsOptions) {
    this.#options = options;
    this.#moved = options.clock.now();
    const reader = new FrameReader();
    options.socket.on('data', (chunk: Buffer) => {
      // A damaged runner must not bring down its gateway.
      try {
        for (const frame of reader.push(chunk)) this.#receive(frame);
      } catch {
        options.onNonsense();
      }
    });
  }

  /** From now on an idle runner is sent heartbeats, and one that does not answer in time is reported. */
  watch(): void {
    const { clock, hangTimeoutMs, onHang } = this.#options;
    const heartbeat = Math.min(HEARTBEAT_MS, hangTimeoutMs / 2);
    this.#moved = clock.now();
    const check = (): void => {
      const since = clock.now() - this.#moved;
      if (this.#sent.length > 0 && since >= hangTimeoutMs) {
        onHang();
        return;
      }
      if (this.#sent.length === 0 && since >= heartbeat) {
        if (this.#sharedUsed) this.#giveBackMemory();
        this.submit(KIND.ping, null, null).catch(() => undefined);
      }
      this.#cancelWatch = clock.after(heartbeat / 2, check);
    };
    this.#cancelWatch = clock.after(heartbeat / 2, check);
  }

  /** @throws RUNNER_LOST, RUNNER_GONE, and what the runner answers */
  submit(kind: Kind, description: object | null, tensors: Stacked | null): Promise<Frame> {
    return new Promise<Frame>((resolve, reject) => {
      if (this.#gone !== null) {
        reject(this.#lost('RUNNER_GONE', this.#gone));
        return;
      }
      this.#waiting.push({ kind, description, tensors, resolve, reject });
      this.#pump();
    });
  }

  /** Settles when everything accepted so far is answered. */
  idle(): Promise<void> {
    if (this.#sent.length + this.#waiting.length === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  /** The process is gone and its socket read to the end: nothing more will be answered. */
  end(exit: RunnerExit): void {
    this.#gone = exit;
    this.#cancelWatch();
    for (const [index, call] of this.#sent.splice(0).entries()) {
      call.reject(this.#lost(index === 0 ? 'RUNNER_LOST' : 'RUNNER_GONE', exit));
    }
    for (const call of this.#waiting.splice(0)) call.reject(this.#lost('RUNNER_GONE', exit));
    this.#settleIdle();
  }

  #lost(code: 'RUNNER_LOST' | 'RUNNER_GONE', exit: RunnerExit): SlipwayError {
    return fail(code, { model: this.#options.model, reason: `${exit.reason}: ${exit.detail}` });
  }

  #pump(): void {
    while (this.#sent.length < PIPELINE_DEPTH) {
      const call = this.#waiting.shift();
      if (call === undefined) return;
      if (this.#sent.length === 0) this.#moved = this.#options.clock.now();
      const id = (this.#oldest + this.#sent.length) % 2 ** 32;
      this.#sent.push(call);
      this.#send(id, call);
    }
  }

  #send(id: number, { kind, description, tensors }: Call): void {
    const { socket, shared } = this.#options;
    if (tensors === null) {
      socket.write(encode(kind, id, description));
      return;
    }
    const layout = describe(tensors);
    if (shared !== null && layout.bytes >= SHARED_FROM_BYTES) {
      const at = slotOffset(id % PIPELINE_DEPTH);
      this.#sharedUsed = true;
      if (writeShared(shared.requests, at, tensors)) {
        socket.write(encode(kind, id, { ...description, ...layout, at }));
        return;
      }
    }
    socket.write(encode(kind, id, { ...description, ...layout }, tensors, layout.bytes));
  }

  #receive(frame: Frame): void {
    this.#moved = this.#options.clock.now();
    const call = this.#sent[0];
    // A long measurement saying that it is alive is not its answer.
    if (call === undefined || (frame.kind === KIND.alive && call.kind !== KIND.ping)) return;
    this.#sent.shift();
    this.#oldest = (this.#oldest + 1) % 2 ** 32;
    if (frame.kind === KIND.failure) call.reject(fromWire(frame.description as WireError));
    else call.resolve(this.#fetch(frame));
    this.#pump();
    this.#settleIdle();
  }

  /** Brings a shared payload over, before the next call is sent: that one may be answered in the same slot. */
  #fetch(frame: Frame): Frame {
    const { shared } = this.#options;
    const { at, bytes } = (frame.description ?? {}) as Partial<Description>;
    if (at === undefined || bytes === undefined || shared === null) return frame;
    // Not zero-filled: all of it is overwritten.
    const payload = Buffer.allocUnsafeSlow(bytes);
    readShared(shared.replies, at, payload);
    return { ...frame, payload };
  }

  #settleIdle(): void {
    if (this.#sent.length + this.#waiting.length > 0) return;
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  #giveBackMemory(): void {
    const { shared } = this.#options;
    if (shared === null) return;
    emptyShared(shared.requests);
    emptyShared(shared.replies);
    this.#sharedUsed = false;
  }
}
