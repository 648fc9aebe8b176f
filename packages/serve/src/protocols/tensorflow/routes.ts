/**
 * TensorFlow Serving's REST API: `/v1/models/NAME[/versions/N | /labels/L][:predict | :classify | :regress | /metadata]`.
 */
import { asSlipwayError, fail, type SlipwayError } from '@slipway/core';
import { type ErrorAnswer, errorAnswer } from '../../http/errors.ts';
import type { EncodeError, Endpoint, Exchange } from '../../http/exchange.ts';
import { isObject } from '../../json/parse.ts';
import { JsonWriter } from '../../json/writer.ts';
import { type Codec, type Gateway, LATEST, type Selector } from '../gateway.ts';
import { eventMode, inEvent } from '../kserve/cloud-event.ts';
import { pathSegments, versionOf } from '../path.ts';
import { metadataDocument, modelDocument, statusDocument } from './describe.ts';
import { readExamplesRequest } from './example-json.ts';
import { readPredictRequest } from './predict-request.ts';
import { writePredictReply } from './predict-reply.ts';
import { writeClassifyReply, writeRegressReply } from './results-reply.ts';
import { type MethodName, signatureNamed } from './signatures.ts';
import { servableWords, statusWords } from './words.ts';

const ACTION = /:(predict|classify|regress)$/i;

interface Target {
  readonly model: string;
  readonly selector: Selector;
  readonly metadata: boolean;
}

export class TensorFlowRoutes {
  readonly #gateway: Gateway;
  readonly #mostBytes: number;
  readonly #wall: () => number;
  readonly #writer = new JsonWriter('bare');

  /**
   * @param mostBytes of one input: a context makes examples larger than what was sent
   * @param wall milliseconds since 1970
   */
  constructor(gateway: Gateway, mostBytes: number, wall: () => number) {
    this.#gateway = gateway;
    this.#mostBytes = mostBytes;
    this.#wall = wall;
  }

  find(path: string): Endpoint | null {
    if (!/^\/v1\/models(?:\/|$)/i.test(path)) return null;
    const action = ACTION.exec(path)?.[1]?.toLowerCase();
    const target = parseTarget(action === undefined ? path : path.replace(ACTION, ''));
    if (target === null || (action !== undefined && target.metadata)) return this.#malformed(path);
    if (action !== undefined) return this.#infer(action as MethodName, target);
    return target.metadata ? this.#metadata(target) : this.#status(target);
  }

  #infer(action: MethodName, { model, selector }: Target): Endpoint {
    const encodeError = (error: SlipwayError, exchange: Exchange): ErrorAnswer =>
      explain(error, exchange, model, selector);
    return {
      route: `/v1/models/{model}:${action}`,
      methods: ['POST'],
      handle: (exchange) => {
        const json = { bytes: exchange.body, nonFinite: true };
        const codec = action === 'predict' ? this.#predict(encodeError) : this.#examples(action, encodeError);
        const event = action === 'predict' ? eventMode(exchange) : null;
        this.#gateway.infer(
          exchange,
          model,
          selector,
          json,
          event === null ? codec : inEvent(codec, event, this.#wall),
        );
      },
    };
  }

  #predict(encodeError: EncodeError): Codec {
    let format: 'row' | 'columnar' = 'row';
    return {
      decode: (version, value, bytes) => {
        const request = readPredictRequest(value, bytes, version.accepts);
        format = request.format;
        return { inputs: request.inputs, timeoutMs: null };
      },
      encode: (version, outputs) => ({
        contentType: 'application/json',
        body: writePredictReply(this.#writer, version.signature, outputs, format),
      }),
      encodeError,
    };
  }

  #examples(action: Exclude<MethodName, 'predict'>, encodeError: EncodeError): Codec {
    const write = action === 'classify' ? writeClassifyReply : writeRegressReply;
    return {
      decode: (version, value, bytes) => {
        if (isObject(value)) signatureNamed(value.signature_name, action);
        const inputs = readExamplesRequest(value, bytes, version.accepts, this.#mostBytes);
        return { inputs, timeoutMs: null };
      },
      encode: (version, outputs) => ({ contentType: 'application/json', body: write(this.#writer, version, outputs) }),
      encodeError,
    };
  }

  #status({ model, selector }: Target): Endpoint {
    return this.#document('/v1/models/{model}', model, selector, statusWords, () => {
      const versions = this.#gateway.models.status(model, selector);
      return selector.kind === 'latest' ? modelDocument(model, versions) : statusDocument(versions);
    });
  }

  #metadata({ model, selector }: Target): Endpoint {
    return this.#document('/v1/models/{model}/metadata', model, selector, servableWords, () => {
      const found = this.#gateway.models.find(model, selector);
      return metadataDocument(model, found.version, found.signature);
    });
  }

  #document(
    route: string,
    model: string,
    selector: Selector,
    words: typeof servableWords,
    make: () => unknown,
  ): Endpoint {
    return {
      route,
      methods: ['GET'],
      handle: (exchange) => {
        try {
          exchange.reply(200, 'application/json', JSON.stringify(make()));
        } catch (thrown) {
          const { status, body, headers } = explain(asSlipwayError(thrown), exchange, model, selector, words);
          exchange.reply(status, 'application/json', body, headers);
        }
      },
    };
  }

  /** What has the prefix but not the form is 400, as in TensorFlow Serving. */
  #malformed(path: string): Endpoint {
    return refusal('/v1/models', (exchange) => {
      const missing = /^\/v1\/models\/?$/i.test(path) && exchange.method !== 'POST';
      const problem = missing
        ? 'Missing model name in request.'
        : `Malformed request: ${exchange.method} ${path.slice(0, 200)}`;
      return fail('REQUEST_MALFORMED', { problem });
    });
  }
}

const ANY_METHOD = ['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'];

function refusal(route: string, error: (exchange: Exchange) => SlipwayError): Endpoint {
  return {
    route,
    methods: ANY_METHOD,
    handle: (exchange) => {
      throw error(exchange);
    },
  };
}

/** The words are case-insensitive, the names are not. */
function parseTarget(path: string): Target | null {
  const segments = pathSegments(path);
  const [, , model, ...rest] = segments ?? [];
  if (model === undefined || /[/:]/.test(model)) return null;
  const words = rest.map((segment) => segment.toLowerCase());
  const metadata = words.at(-1) === 'metadata' && rest.length !== 2;
  if (metadata) rest.pop();
  if (rest.length === 0) return { model, selector: LATEST, metadata };
  const [, value] = rest;
  if (rest.length !== 2 || value === undefined) return null;
  if (words[0] === 'labels') return { model, selector: { kind: 'label', label: value }, metadata };
  const version = words[0] === 'versions' ? versionOf(value) : null;
  return version === null ? null : { model, selector: { kind: 'version', version }, metadata };
}

function explain(
  error: SlipwayError,
  exchange: Exchange,
  model: string,
  selector: Selector,
  wordsOf: typeof servableWords = servableWords,
): ErrorAnswer {
  const answer = errorAnswer(error, exchange.id);
  const words = wordsOf(error, model, selector);
  if (words === null) return answer;
  const body = JSON.stringify({ ...(JSON.parse(answer.body) as object), error: words.text });
  return { ...answer, status: words.unknownLabel ? 400 : answer.status, body };
}
