/**
 * `ModelStreamInfer`: requests and answers on one call. Each request is an inference of its own, with its own error in its
 * own answer; answers leave in the order of the requests. So many wait at most; then the client is not read.
 */
import { asSlipwayError, fail, type SlipwayError } from '@slipway/core';
import type { Call, Incoming } from '../../grpc/method.ts';
import { ProtoWriter } from '../../grpc/writer.ts';
import type { Answers } from './grpc.ts';

/** Requests of one stream that are not yet answered. */
const MOST_UNDER_WAY = 64;

interface Slot {
  answer: ProtoWriter | null;
}

export class InferStream implements Incoming {
  readonly #call: Call;
  readonly #resume: () => void;
  readonly #infer: (bytes: Buffer, answers: Answers) => void;
  /** In the order of the requests. */
  readonly #slots: Slot[] = [];
  #ended = false;
  #draining = false;

  constructor(call: Call, resume: () => void, infer: (bytes: Buffer, answers: Answers) => void) {
    this.#call = call;
    this.#resume = resume;
    this.#infer = infer;
    call.onDrain(() => {
      this.#draining = true;
      this.#flush();
    });
  }

  get full(): boolean {
    return this.#slots.length >= MOST_UNDER_WAY;
  }

  message(bytes: Buffer): void {
    const slot: Slot = { answer: null };
    this.#slots.push(slot);
    const settle = (answer: ProtoWriter): void => {
      slot.answer = answer;
      this.#flush();
    };
    const answer = (response: ProtoWriter): void => settle(new ProtoWriter().message(2, response));
    // With the id of the request, so that the client knows which one failed.
    const refuse = (error: SlipwayError, id: string): void => {
      const refusal = new ProtoWriter().string(1, error.message);
      settle(id === '' ? refusal : refusal.message(2, new ProtoWriter().string(3, id)));
    };
    try {
      this.#infer(bytes, { answer, fail: refuse });
    } catch (thrown) {
      refuse(asSlipwayError(thrown), '');
    }
  }

  end(): void {
    this.#ended = true;
    this.#flush();
  }

  #flush(): void {
    const before = this.#slots.length;
    while (this.#slots.length > 0) {
      const answer = this.#slots[0]?.answer ?? null;
      if (answer === null) break;
      this.#slots.shift();
      this.#call.send(answer);
    }
    if (this.#slots.length === 0) {
      if (this.#ended) this.#call.end();
      else if (this.#draining) this.#call.fail(fail('DRAINING', {}));
    }
    if (before >= MOST_UNDER_WAY && this.#slots.length < MOST_UNDER_WAY) this.#resume();
  }
}
