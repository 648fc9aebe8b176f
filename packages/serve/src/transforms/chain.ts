/**
 * A version whose release declares transforms: what a client sends becomes the tensors of the model in the threads of the pool, the
 * scheduler does the rest, and its outputs become the answer. To whoever submits it is a scheduler like any other.
 *
 * The deadline of a request and its cancellation hold from its first step to its last. Rows are counted after the input steps,
 * where they are rows of the model.
 */
import {
  type Clock,
  fail,
  asSlipwayError,
  type Signature,
  type SlipwayError,
  type Tensors,
  type Transforms,
  validateLayout,
} from '@slipway/core';
import type { PooledProgram } from '@slipway/transform';
import type { JobTimes, Settle } from '../schedule/job.ts';
import type { Asked } from '../schedule/scheduler.ts';
import type { Histogram } from '../telemetry/histogram.ts';

/** Output steps on more elements than this leave the thread of the gateway: about half a millisecond. */
const INLINE_ELEMENTS = 16_384;

const NO_TIMES: JobTimes = { queueMs: 0, computeMs: 0 };

export interface ChainOptions {
  /** For messages. */
  readonly model: string;
  /** What clients may send. */
  readonly accepts: Signature;
  readonly transforms: Transforms;
  readonly program: PooledProgram;
  /** Inputs that a step reads. */
  readonly consumed: ReadonlySet<string>;
  /** The output steps, for what is small. */
  readonly after: (outputs: Tensors, inputs: Tensors) => Tensors;
  readonly submit: (inputs: Tensors, asked: Asked, settle: Settle) => () => void;
  readonly clock: Clock;
  /** Seconds a request spends in transforms. */
  readonly seconds: Histogram;
}

export class TransformChain {
  readonly #options: ChainOptions;
  /** Model inputs that an output step reads. */
  readonly #masks: ReadonlySet<string>;
  readonly #live = new Set<Request>();
  #whenEmpty: (() => void)[] = [];

  constructor(options: ChainOptions) {
    this.#options = options;
    const steps = options.transforms.outputs ?? [];
    this.#masks = new Set(steps.flatMap((step) => (step.transform === 'meanPool' ? (step.mask ?? []) : [])));
  }

  /** Requests not yet answered. */
  get pending(): number {
    return this.#live.size;
  }

  /**
   * @returns what cancels the request
   * @throws TENSOR_INVALID, QUEUE_FULL
   */
  submit(inputs: Tensors, asked: Asked, settle: Settle): () => void {
    const { accepts, consumed, clock, model, program } = this.#options;
    validateLayout(accepts, inputs);
    const started = clock.now();
    const request = new Request((error, outputs, times) => {
      this.#live.delete(request);
      settle(error, outputs, times);
      if (this.#live.size === 0) for (const resolve of this.#whenEmpty.splice(0)) resolve();
    });
    const scheduled = (made: Tensors): void => {
      const beforeMs = clock.now() - started;
      const untouched = Object.entries(inputs).filter(([name]) => !consumed.has(name));
      const given = { ...Object.fromEntries(untouched), ...made };
      request.step(() =>
        this.#options.submit(given, asked, (error, outputs, times) => {
          if (error !== null || outputs === null) request.end(error, null, times);
          else this.#answer(request, outputs, given, times, beforeMs);
        }),
      );
    };
    if (consumed.size > 0) {
      const read = Object.entries(inputs).filter(([name]) => consumed.has(name));
      // What the pool refuses at once is the caller's to hear, as from a scheduler.
      request.cancelStep = program.before(Object.fromEntries(read), (error, made) => {
        if (error !== null || made === null) request.end(error, null, NO_TIMES);
        else scheduled(made);
      });
    }
    this.#live.add(request);
    const wait = Math.max(0, asked.deadline - started);
    request.disarm = clock.after(wait, () => {
      request.cancel(fail('DEADLINE_EXCEEDED', { model, milliseconds: Math.round(wait) }));
    });
    if (consumed.size === 0) scheduled({});
    return () => {
      request.cancel(fail('CANCELLED', {}));
    };
  }

  /** Resolves when there is nothing left to answer. */
  drained(): Promise<void> {
    if (this.#live.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#whenEmpty.push(resolve));
  }

  abort(error: SlipwayError): void {
    for (const request of [...this.#live]) request.cancel(error);
  }

  close(): void {
    this.#options.program.close();
  }

  #answer(request: Request, outputs: Tensors, given: Tensors, times: JobTimes, beforeMs: number): void {
    const { clock, program, after, seconds, transforms } = this.#options;
    const started = clock.now();
    const masks = Object.fromEntries(Object.entries(given).filter(([name]) => this.#masks.has(name)));
    const done = (error: SlipwayError | null, answer: Tensors | null): void => {
      seconds.observe((beforeMs + clock.now() - started) / 1000);
      request.end(error, answer, times);
    };
    if ((transforms.outputs ?? []).length === 0) done(null, outputs);
    else if (elementsOf(outputs) > INLINE_ELEMENTS) request.step(() => program.after(outputs, masks, done));
    else request.step(() => (done(null, after(outputs, masks)), nothing));
  }
}

const nothing = (): void => undefined;

function elementsOf(tensors: Tensors): number {
  let elements = 0;
  for (const { data } of Object.values(tensors)) elements += data.length;
  return elements;
}

/** One request under way. It ends once. */
class Request {
  readonly #settle: Settle;
  #ended = false;
  /** Gives up what is being done for it. */
  cancelStep: () => void = nothing;
  /** Takes its deadline off the clock. */
  disarm: () => void = nothing;

  constructor(settle: Settle) {
    this.#settle = settle;
  }

  /** Begins the next step; what it throws ends the request. */
  step(begin: () => () => void): void {
    if (this.#ended) return;
    try {
      this.cancelStep = begin();
    } catch (error) {
      this.end(asSlipwayError(error), null, NO_TIMES);
    }
  }

  cancel(error: SlipwayError): void {
    if (this.#ended) return;
    const cancelStep = this.cancelStep;
    this.end(error, null, NO_TIMES);
    cancelStep();
  }

  end(error: SlipwayError | null, outputs: Tensors | null, times: JobTimes): void {
    if (this.#ended) return;
    this.#ended = true;
    this.disarm();
    this.#settle(error, outputs, times);
  }
}
