/**
 * What every protocol does with a decoded request: find the version, submit, answer when it settles, give up when the
 * client does. A protocol adds only how a request is read and how the outputs are written.
 */
import {
  asSlipwayError,
  type Clock,
  fail,
  type Signature,
  type SlipwayError,
  type Tensors,
  type VersionState,
} from '@slipway/core';
import type { ModelControl } from '../catalog/control.ts';
import type { ModelSettings } from '../catalog/settings.ts';
import { type AnswerWriter, answerWriter } from '../content/answer.ts';
import { BodyReader } from '../content/body-reader.ts';
import { binaryMessage, contentTask, sizeHint } from '../content/request.ts';
import type { EncodeError, Exchange } from '../http/exchange.ts';
import { errorAnswer } from '../http/errors.ts';
import { JsonReader } from '../json/reader.ts';
import type { JsonValue } from '../json/parse.ts';
import type { Intake } from '../schedule/intake.ts';
import { Pace } from '../schedule/pace.ts';
import type { Scheduler } from '../schedule/scheduler.ts';
import { mergeTerms, readPriority, type Terms } from '../schedule/terms.ts';
import type { Outcome, VersionStats } from '../telemetry/stats.ts';
import type { Tracer } from '../telemetry/tracer.ts';

/** Which version of a model a request asks for. */
export type Selector =
  | { readonly kind: 'latest' }
  | { readonly kind: 'version'; readonly version: number }
  | { readonly kind: 'label'; readonly label: string };

export const LATEST: Selector = { kind: 'latest' };

/** A loaded version, as protocols see it. */
export interface ServedVersion {
  readonly model: string;
  readonly version: number;
  /** What clients send and get: the model's own signature, or the one behind its transforms. */
  readonly signature: Signature;
  /** What a request may look like: the signature, with the rows freed where a call takes one. */
  readonly accepts: Signature;
  readonly intake: Intake;
  /** The names of the classes, by index; null when the model does not say. */
  readonly classes: readonly string[] | null;
  /** What it is served with, as far as anybody said. */
  readonly settings: ModelSettings;
  /** Inputs that are known to work, for documentation; null when there are none. */
  readonly sample: Tensors | null;
  /** Inputs that are the bytes of an image file. */
  readonly images: readonly string[];
  readonly scheduler: Scheduler;
  readonly stats: VersionStats;
  /** Resident memory of its runners. */
  memoryBytes(): Promise<number>;
}

export interface VersionStatus {
  readonly version: number;
  readonly state: VersionState;
  /** Why, when it is not ready. */
  readonly reason: string | null;
}

export interface Models {
  names(): readonly string[];
  /** @throws MODEL_NOT_FOUND, VERSION_NOT_FOUND, NOT_READY, MODEL_UNAVAILABLE */
  find(model: string, selector: Selector): ServedVersion;
  /** Load a model that was unloaded for want of memory; null when there is nothing to wait for. */
  wake(model: string): Promise<void> | null;
  /** @throws MODEL_NOT_FOUND, VERSION_NOT_FOUND */
  status(model: string, selector: Selector): readonly VersionStatus[];
  /** The only model there is, for callers that name none. @throws MODEL_NOT_FOUND */
  only(): string;
  readonly ready: boolean;
}

export interface JsonText {
  readonly bytes: Buffer;
  /** The tokens NaN and Infinity are taken. */
  readonly nonFinite: boolean;
}

/** A request as the scheduler takes it, and what the client says about how. */
interface Decoded extends Terms {
  readonly inputs: Tensors;
}

/**
 * How one protocol reads a request and writes its answer, in JSON. What comes or goes in another form (by Content-Type and Accept)
 * passes it by: so `encode` may be called for a request that it did not decode.
 */
export interface Codec {
  /** It reads application/octet-stream itself, and the header Inference-Header-Content-Length. */
  readonly ownBinary?: true;
  decode(version: ServedVersion, value: JsonValue, bytes: Buffer): Decoded;
  encode(version: ServedVersion, outputs: Tensors): Reply;
  readonly encodeError?: EncodeError;
}

/** One inference request, whatever transport it came by: how it is read, and where its answer goes. */
export interface Inquiry {
  /** May throw; it becomes the answer. */
  decode(version: ServedVersion): Decoded;
  /** May throw; it becomes the answer. */
  answer(version: ServedVersion, outputs: Tensors): void;
  fail(error: SlipwayError): void;
  /** Called when the client is gone: then the work is cancelled. */
  onClose(cancel: () => void): void;
}

export interface Reply {
  readonly contentType: string;
  readonly body: Buffer;
  readonly headers?: readonly string[];
}

/** A request over HTTP that is to be read. */
interface Reading {
  readonly started: number;
  readonly json: JsonText | null;
  readonly codec: Codec;
  readonly inquiry: (decode: (version: ServedVersion) => Decoded) => Inquiry;
  /** How it is answered when nothing of it could be read. */
  readonly refusal: Inquiry;
}

export class Gateway {
  readonly models: Models;
  /** Loading and unloading, for the protocols that have words for it. */
  readonly control: ModelControl;
  readonly #json = new JsonReader();
  readonly #bodies = new BodyReader();
  readonly tracer: Tracer;
  readonly #paces = new Map<string, Pace>();
  readonly #clock: Clock;
  /** Milliseconds a request may take; a client can ask for less, not for more. */
  readonly #timeoutMs: number;
  readonly #onDefect: (error: SlipwayError, exchange: { readonly id: string }) => void;
  /** Outcomes that no loaded version can count. */
  readonly #unrouted: (model: string, error: SlipwayError) => void;

  constructor(options: {
    models: Models;
    control: ModelControl;
    tracer: Tracer;
    clock: Clock;
    timeoutMs: number;
    onDefect: (error: SlipwayError, exchange: { readonly id: string }) => void;
    unrouted: (model: string, error: SlipwayError) => void;
  }) {
    this.models = options.models;
    this.control = options.control;
    this.tracer = options.tracer;
    this.#clock = options.clock;
    this.#timeoutMs = options.timeoutMs;
    this.#onDefect = options.onDefect;
    this.#unrouted = options.unrouted;
  }

  /** Answers `inquiry` once, at once or later. */
  run(model: string, selector: Selector, inquiry: Inquiry): void {
    const started = this.#clock.now();
    this.#awake(model, started, null, inquiry, () => {
      const version = this.#find(model, selector, inquiry);
      if (version !== null) this.#submit(version, started, inquiry);
    });
  }

  /** Goes on at once, or when a model that was unloaded for want of memory is there again, within the time of the request. */
  #awake(model: string, started: number, exchange: Exchange | null, inquiry: Inquiry, proceed: () => void): void {
    const waking = this.models.wake(model);
    if (waking === null) {
      proceed();
      return;
    }
    let over = false;
    const end = (then: () => void): void => {
      if (over) return;
      over = true;
      cancel();
      then();
    };
    const refuse = (error: SlipwayError): void => {
      this.#unrouted(model, error);
      inquiry.fail(error);
    };
    const asked = Number(exchange?.header('x-request-timeout-ms') ?? NaN);
    const milliseconds = Math.min(asked > 0 ? asked : this.#timeoutMs, this.#timeoutMs);
    const cancel = this.#clock.after(Math.max(0, started + milliseconds - this.#clock.now()), () =>
      end(() => refuse(fail('DEADLINE_EXCEEDED', { model, milliseconds }))),
    );
    inquiry.onClose(() => end(() => refuse(fail('CANCELLED', {}))));
    void waking.then(() => end(proceed));
  }

  /**
   * A request over HTTP.
   * @param json the JSON of the request, null when there is none: then `decode` gets the whole body
   */
  infer(exchange: Exchange, model: string, selector: Selector, json: JsonText | null, codec: Codec): void {
    const encodeError = codec.encodeError ?? defaultError;
    const binary = codec.ownBinary === true ? undefined : exchange.header('inference-header-content-length');
    if (binary !== undefined) {
      try {
        const message = binaryMessage(exchange, binary, codec);
        this.infer(exchange, model, selector, message.json, message.codec);
      } catch (thrown) {
        this.#answerError(exchange, asSlipwayError(thrown), encodeError);
      }
      return;
    }
    const started = this.#clock.now();
    let asked: AnswerWriter | null = null;
    const inquiry = (decode: (version: ServedVersion) => Decoded): Inquiry => ({
      decode: (version) => {
        asked = answerWriter(exchange.header('accept'), version.signature);
        const decoded = decode(version);
        const terms = headerTerms(exchange);
        return terms === null ? decoded : { inputs: decoded.inputs, ...mergeTerms(decoded, terms) };
      },
      answer: (version, outputs) => {
        const { body, contentType, headers } =
          asked === null ? codec.encode(version, outputs) : asked(version, outputs);
        const hint = sizeHint(json?.bytes.length ?? 0, contentType, body.length);
        // Outputs are never views of inputs, and the runner is done with those.
        exchange.release();
        exchange.reply(200, contentType, body, hint === null ? headers : [...(headers ?? []), ...hint]);
      },
      fail: (error) => this.#answerError(exchange, error, encodeError),
      onClose: (cancel) => exchange.onClose(cancel),
    });
    const refusal = inquiry((version) => codec.decode(version, null, exchange.body));
    this.#awake(model, started, exchange, refusal, () => {
      this.#read(exchange, model, selector, { started, json, codec, inquiry, refusal });
    });
  }

  /** Reads the body, here or in a worker, and submits it. */
  #read(
    exchange: Exchange,
    model: string,
    selector: Selector,
    { started, json, codec, inquiry, refusal }: Reading,
  ): void {
    const version = this.#find(model, selector, refusal);
    if (version === null) return;
    const failed = (thrown: unknown): void => this.#failed(version, started, refusal, thrown);
    let gone = false;
    let later = false;
    exchange.onClose(() => (gone = true));
    const submit = (decode: (version: ServedVersion) => Decoded): void => {
      if (gone) {
        failed(fail('CANCELLED', {}));
        return;
      }
      // A worker has read it meanwhile, and the version may have been replaced.
      const current = later ? this.#find(model, selector, refusal) : version;
      if (current !== null) this.#submit(current, started, inquiry(decode));
    };
    try {
      const task = contentTask(exchange, version.accepts, codec.ownBinary === true);
      if (task !== null) {
        const done = (inputs: Tensors): void => submit(() => ({ inputs, timeoutMs: null }));
        later = this.#bodies.read(exchange.body, task, done, failed);
      } else if (json === null) submit((current) => codec.decode(current, null, exchange.body));
      else {
        const done = (value: JsonValue, bytes: Buffer): void =>
          submit((current) => codec.decode(current, value, bytes));
        this.#json.read(json.bytes, json.nonFinite, done, failed);
        later = true;
      }
    } catch (thrown) {
      failed(thrown);
    }
  }

  /** Answers with an error that came after the handler had returned. */
  refuse(exchange: Exchange, thrown: unknown): void {
    this.#answerError(exchange, asSlipwayError(thrown), defaultError);
  }

  async close(): Promise<void> {
    await Promise.all([this.#json.close(), this.#bodies.close()]);
  }

  /** null when there is none; `inquiry` has been told. */
  #find(model: string, selector: Selector, inquiry: Inquiry): ServedVersion | null {
    try {
      return this.models.find(model, selector);
    } catch (thrown) {
      const error = asSlipwayError(thrown);
      this.#unrouted(model, error);
      inquiry.fail(error);
      return null;
    }
  }

  #submit(version: ServedVersion, started: number, inquiry: Inquiry): void {
    try {
      const { inputs, timeoutMs, queueTimeoutMs, priority } = inquiry.decode(version);
      const deadline = started + Math.min(timeoutMs ?? this.#timeoutMs, this.#timeoutMs);
      const inputMs = this.#clock.now() - started;
      const asked = { deadline, queueTimeoutMs, priority };
      const cancel = version.intake.submit(inputs, asked, (error, outputs, times) => {
        if (error !== null || outputs === null) {
          this.#failed(version, started, inquiry, error);
          return;
        }
        try {
          const computed = this.#clock.now();
          inquiry.answer(version, outputs);
          const ended = this.#clock.now();
          version.stats.executed(inputMs, times, ended - computed);
          version.stats.finished('ok', (ended - started) / 1000, this.#clock.wall());
          if (!this.tracer.on) return;
          const queuedAt = started + inputMs;
          this.tracer.observe({
            model: version.model,
            version: version.version,
            startedAt: started,
            queuedAt,
            computeAt: queuedAt + times.queueMs,
            computedAt: computed,
            answeredAt: ended,
          });
        } catch (thrown) {
          this.#failed(version, started, inquiry, thrown);
        }
      });
      inquiry.onClose(cancel);
    } catch (thrown) {
      this.#failed(version, started, inquiry, thrown);
    }
  }

  #failed(version: ServedVersion, started: number, inquiry: Inquiry, thrown: unknown): void {
    const error = asSlipwayError(thrown);
    version.stats.finished(outcomeOf(error), (this.#clock.now() - started) / 1000, this.#clock.wall());
    if (error.httpStatus === 429) this.#paceOf(version.model).run(() => inquiry.fail(error));
    else inquiry.fail(error);
  }

  /** Of the refusals of one model; there are as many as models that were ever served. */
  #paceOf(model: string): Pace {
    let pace = this.#paces.get(model);
    if (pace === undefined) this.#paces.set(model, (pace = new Pace(this.#clock)));
    return pace;
  }

  #answerError(exchange: Exchange, error: SlipwayError, encodeError: EncodeError): void {
    if (error.code === 'INTERNAL') this.#onDefect(error, exchange);
    const { status, body, headers } = encodeError(error, exchange);
    exchange.reply(status, 'application/json', body, headers);
  }
}

const defaultError: EncodeError = (error, exchange) => errorAnswer(error, exchange.id);

/** @throws REQUEST_MALFORMED */
function headerTerms(exchange: Exchange): Terms | null {
  const timeout = exchange.header('x-request-timeout-ms');
  const priority = exchange.header('x-slipway-priority');
  if (timeout === undefined && priority === undefined) return null;
  return {
    timeoutMs: timeout === undefined ? null : readTimeout(timeout),
    ...(priority === undefined ? {} : { priority: readPriority(priority, 'x-slipway-priority') }),
  };
}

function readTimeout(text: string): number {
  const value = /^\d{1,20}(?:\.\d{1,20})?$/.test(text) ? Number(text) : 0;
  if (value > 0) return value;
  throw fail('REQUEST_MALFORMED', { problem: 'x-request-timeout-ms must be a number of milliseconds above 0' });
}

function outcomeOf(error: SlipwayError): Outcome {
  switch (error.code) {
    case 'QUEUE_FULL':
    case 'OVERLOADED':
      return 'rejected';
    case 'DEADLINE_EXCEEDED':
      return 'timeout';
    case 'CANCELLED':
      return 'cancelled';
    default:
      if (error.httpStatus === 503) return 'unavailable';
      return error.httpStatus < 500 ? 'client_error' : 'backend_error';
  }
}
