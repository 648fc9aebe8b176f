/**
 * TorchServe's REST API: `/predictions/M[/V]`, `/explanations`, and the management API on `/models`. There it has a port of its own,
 * open to whoever reaches it; here it is on the port of requests, reading is always allowed, and what changes the
 * server only with `--model-control explicit`.
 *
 * What a model is given is what its handler would be: the body itself, JSON, or a form with the field `data`. The answer is the
 * output, without a wrapper.
 */
import { asSlipwayError, fail, type SlipwayError } from '@slipway/core';
import type { Endpoint, Exchange } from '../../http/exchange.ts';
import { JsonWriter } from '../../json/writer.ts';
import type { Codec, Gateway } from '../gateway.ts';
import { pathSegments } from '../path.ts';
import { readPlain, writePlain } from '../plain/predict.ts';
import { type Answer, type Management } from './management.ts';
import { encodeError, selectorOf } from './words.ts';

export class TorchServeRoutes {
  readonly #gateway: Gateway;
  readonly #management: Management;
  readonly #writer = new JsonWriter('string');

  constructor(gateway: Gateway, management: Management) {
    this.#gateway = gateway;
    this.#management = management;
  }

  find(path: string): Endpoint | null {
    const [word, name, second, third, ...more] = pathSegments(path) ?? [];
    if (more.length > 0) return null;
    if (word === 'predictions' && name !== undefined && third === undefined) return this.#predictions(name, second);
    if (word === 'explanations' && name !== undefined && third === undefined) return explanations(name);
    if (word !== 'models') return null;
    if (name === undefined) return this.#models();
    if (third === 'set-default' && second !== undefined) {
      return this.#answer('/models/{model}/{version}/set-default', ['PUT'], () =>
        this.#management.setDefault(name, second),
      );
    }
    return third === undefined ? this.#model(name, second) : null;
  }

  #predictions(model: string, version: string | undefined): Endpoint {
    return {
      route: '/predictions/{model}',
      methods: ['POST', 'PUT', 'GET'],
      encodeError,
      handle: (exchange) => {
        guarded(exchange, () => {
          const selector = selectorOf(this.#gateway, model, version);
          const json = { bytes: exchange.body, nonFinite: false };
          this.#gateway.infer(exchange, model, selector, json, this.#codec());
        });
      },
    };
  }

  #codec(): Codec {
    let oneRow = false;
    return {
      decode: ({ accepts }, value, bytes) => {
        const request = readPlain(value, bytes, accepts);
        oneRow = request.oneRow;
        return { inputs: request.inputs, timeoutMs: null };
      },
      encode: ({ signature }, outputs) => {
        this.#writer.reset();
        writePlain(this.#writer, signature, outputs, oneRow);
        return { contentType: 'application/json', body: this.#writer.finish() };
      },
      encodeError,
    };
  }

  #models(): Endpoint {
    return this.#answer('/models', ['GET', 'POST'], (exchange) => {
      const query = new URLSearchParams(exchange.query);
      if (exchange.method === 'GET') {
        return this.#management.list(whole(query, 'limit') ?? 100, whole(query, 'next_page_token') ?? 0);
      }
      return this.#management.register({
        url: query.get('url') ?? undefined,
        modelName: query.get('model_name') ?? undefined,
        batchSize: whole(query, 'batch_size'),
        maxBatchDelay: whole(query, 'max_batch_delay'),
        initialWorkers: whole(query, 'initial_workers'),
        responseTimeout: whole(query, 'response_timeout'),
        synchronous: query.get('synchronous') === 'true',
      });
    });
  }

  #model(name: string, version: string | undefined): Endpoint {
    return this.#answer('/models/{model}', ['GET', 'PUT', 'DELETE'], (exchange) => {
      const query = new URLSearchParams(exchange.query);
      switch (exchange.method) {
        case 'PUT':
          return this.#management.scale(name, whole(query, 'min_worker'), query.get('synchronous') === 'true');
        case 'DELETE':
          return this.#management.unregister(name, version);
        default:
          return this.#management.describe(name, version ?? null);
      }
    });
  }

  #answer(route: string, methods: readonly string[], make: (exchange: Exchange) => Answer | Promise<Answer>): Endpoint {
    return {
      route,
      methods,
      encodeError,
      handle: (exchange) => {
        const send = ({ status, document }: Answer): void =>
          exchange.reply(status, 'application/json', JSON.stringify(document, null, 2));
        guarded(exchange, () => {
          const answer = make(exchange);
          if (answer instanceof Promise) answer.then(send, (thrown: unknown) => refuse(exchange, thrown));
          else send(answer);
        });
      },
    };
  }
}

function explanations(model: string): Endpoint {
  return {
    route: '/explanations/{model}',
    methods: ['POST'],
    encodeError,
    handle: (exchange) => {
      refuse(
        exchange,
        fail('NOT_IMPLEMENTED', { problem: `Model "${model.slice(0, 200)}" has no explainer: releases carry none` }),
      );
    },
  };
}

/** Errors in the shape of this protocol, also those that are thrown before anything is asked. */
function guarded(exchange: Exchange, work: () => void): void {
  try {
    work();
  } catch (thrown) {
    refuse(exchange, thrown);
  }
}

function refuse(exchange: Exchange, thrown: unknown): void {
  const { status, body, headers } = encodeError(asSlipwayError(thrown), exchange);
  exchange.reply(status, 'application/json', body, headers);
}

/** @throws REQUEST_MALFORMED */
function whole(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null || text === '') return undefined;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw malformed(`${name} is "${text.slice(0, 40)}", not a whole number`);
}

const malformed = (problem: string): SlipwayError => fail('REQUEST_MALFORMED', { problem });
