/**
 * The routes on which managed platforms ask a container: `GET /ping` and `POST /invocations` (SageMaker, MLflow), `POST /score`
 * (Azure ML), and those that Vertex AI names in its variables. They are always there, so that one image runs on all of them; what
 * changes what is served (multi-model endpoints) is only there on its platform.
 */
import { fail } from '@slipway/core';
import type { Endpoint, Exchange, Router } from '../../http/exchange.ts';
import { JsonWriter } from '../../json/writer.ts';
import type { Platform } from '../../platform.ts';
import { delegated } from '../delegate.ts';
import { type Gateway, LATEST } from '../gateway.ts';
import { invocationCodec } from './codec.ts';
import { MultiModelRoutes } from './multi-model.ts';

const CUSTOM_ATTRIBUTES = 'x-amzn-sagemaker-custom-attributes';
const MAX_ATTRIBUTES = 1024;
/** Triton's way of being asked for the rest of its protocol through the one route that Vertex AI forwards. */
const REDIRECT = 'x-vertex-ai-triton-redirect';
/** What may be asked for so: reading, and inference. Nothing that changes the server. */
const REDIRECTABLE =
  /^v2(?:\/health\/(?:live|ready)|\/models\/[^/]+(?:\/versions\/\d+)?(?:\/(?:ready|config|stats|infer))?)?$/;

export class InvocationRoutes {
  readonly #gateway: Gateway;
  readonly #platform: Platform | null;
  readonly #others: Router;
  readonly #multiModel: MultiModelRoutes | null;
  readonly #writer = new JsonWriter('string');

  /** @param others finds the routes of the other protocols */
  constructor(gateway: Gateway, platform: Platform | null, others: Router) {
    this.#gateway = gateway;
    this.#platform = platform;
    this.#others = others;
    const infer = (exchange: Exchange, model: string): void => this.#infer(exchange, model);
    const root = platform?.multiModelRoot ?? null;
    this.#multiModel = root === null ? null : new MultiModelRoutes(gateway, root, infer);
  }

  find(path: string): Endpoint | null {
    switch (path) {
      case '/ping':
        return this.#health('/ping');
      case '/invocations':
        return this.#invocations('/invocations');
      case '/score':
        return this.#invocations('/score');
      case '/execution-parameters':
        return this.#executionParameters();
    }
    if (path === this.#platform?.predictRoute) return this.#vertexPredict(path);
    if (path === this.#platform?.healthRoute) return this.#health(path);
    return this.#multiModel?.find(path) ?? null;
  }

  /** An empty server is healthy where models come by calls. */
  #health(route: string): Endpoint {
    return {
      route,
      methods: ['GET'],
      handle: (exchange) => {
        const ready = this.#multiModel !== null || this.#gateway.models.ready;
        exchange.reply(
          ready ? 200 : 503,
          'application/json',
          JSON.stringify({ status: ready ? 'Healthy' : 'Unhealthy' }),
        );
      },
    };
  }

  #invocations(route: string): Endpoint {
    return { route, methods: ['POST'], handle: (exchange) => this.#infer(exchange, this.#modelOf(exchange)) };
  }

  #infer(exchange: Exchange, model: string): void {
    const attributes = exchange.header(CUSTOM_ATTRIBUTES);
    const answering =
      attributes === undefined
        ? exchange
        : delegated(exchange, { headers: [CUSTOM_ATTRIBUTES, checkAttributes(attributes)] });
    const json = { bytes: exchange.body, nonFinite: true };
    this.#gateway.infer(tritonBinary(answering), model, LATEST, json, invocationCodec(this.#writer));
  }

  #modelOf(exchange: Exchange): string {
    const target = exchange.header('x-amzn-sagemaker-target-model');
    return target === undefined ? this.#gateway.models.only() : target.replace(/\.tar\.gz$/, '');
  }

  #executionParameters(): Endpoint | null {
    const batch = this.#platform?.batch ?? null;
    if (batch === null) return null;
    return {
      route: '/execution-parameters',
      methods: ['GET'],
      handle: (exchange) => exchange.reply(200, 'application/json', JSON.stringify(batch)),
    };
  }

  #vertexPredict(route: string): Endpoint {
    const own = this.#invocations(route);
    return {
      ...own,
      handle: (exchange) => {
        const target = exchange.header(REDIRECT);
        if (target === undefined) {
          own.handle(exchange);
          return;
        }
        if (!REDIRECTABLE.test(target)) {
          throw fail('CLIENT_REFUSED', {
            action: `reach "${target.slice(0, 100)}" through ${REDIRECT}`,
            option: 'its own port',
          });
        }
        const path = `/${target}`;
        const endpoint = this.#others(path);
        if (endpoint === null) throw fail('ROUTE_NOT_FOUND', { method: 'POST', path });
        endpoint.handle(delegated(exchange, { path }));
      },
    };
  }
}

/** @throws REQUEST_MALFORMED: an answer must not carry what could be a header of its own */
function checkAttributes(value: string): string {
  if (value.length <= MAX_ATTRIBUTES && /^[\x20-\x7e]*$/.test(value)) return value;
  throw fail('REQUEST_MALFORMED', {
    problem: `${CUSTOM_ATTRIBUTES} must be at most ${MAX_ATTRIBUTES} visible ASCII characters`,
  });
}

/** Clients of Triton on SageMaker say in the Content-Type what elsewhere is a header of its own, because only few pass. */
function tritonBinary(exchange: Exchange): Exchange {
  const type = exchange.header('content-type');
  const match =
    type === undefined
      ? null
      : /^application\/vnd\.sagemaker-triton\.binary\+json;\s*json-header-size=(\d{1,15})$/.exec(type);
  if (match === null) return exchange;
  const headers: Readonly<Record<string, string | undefined>> = {
    'content-type': 'application/octet-stream',
    'inference-header-content-length': match[1],
  };
  return { ...delegated(exchange, {}), header: (name) => headers[name] ?? exchange.header(name) };
}
