/**
 * What the Open Inference Protocol has for operators, over HTTP: statistics, configuration, the repository, shared memory and
 * the log. What changes anything is refused unless the server was told to allow it.
 */
import { fail, type SlipwayError } from '@slipway/core';
import type { Endpoint, Exchange } from '../../http/exchange.ts';
import { isObject, type JsonObject, JsonParser } from '../../json/parse.ts';
import type { Selector } from '../gateway.ts';
import type { InferenceContext } from './context.ts';
import { indexOf } from './describe.ts';
import { modelConfig } from './model-config.ts';
import { jsonParameters } from './parameters.ts';
import { loadModel } from './repository.ts';
import { statisticsOf } from './statistics.ts';
import { traceChanges } from './trace-settings.ts';

type Handler = (exchange: Exchange) => unknown;

export class ManagementRoutes {
  readonly #context: InferenceContext;
  readonly #parser = new JsonParser({ nonFinite: false });

  constructor(context: InferenceContext) {
    this.#context = context;
  }

  /** @param area the first segment after `/v2/`, @param rest those that follow */
  find(area: string, rest: readonly string[]): Endpoint | null {
    switch (area) {
      case 'repository':
        return this.#repository(rest);
      case 'systemsharedmemory':
        return this.#systemMemory(rest);
      case 'cudasharedmemory':
        return this.#cudaMemory(rest);
      case 'trace':
        return rest.length === 1 && rest[0] === 'setting' ? this.traceSettings(null) : null;
      case 'logging':
        return rest.length === 0 ? this.#logging() : null;
      default:
        return null;
    }
  }

  /** @param model null: all of them */
  statistics(model: string | null, selector: Selector): Endpoint {
    const route = model === null ? '/v2/models/stats' : '/v2/models/{model}/stats';
    return this.#endpoint(route, 'GET', () => statisticsOf(this.#context.gateway.models, model, selector));
  }

  configuration(model: string, selector: Selector): Endpoint {
    const { models } = this.#context.gateway;
    return this.#endpoint('/v2/models/{model}/config', 'GET', () => modelConfig(models.find(model, selector)));
  }

  /** @param model null: what holds for all */
  traceSettings(model: string | null): Endpoint {
    const { trace } = this.#context;
    return {
      route: model === null ? '/v2/trace/setting' : '/v2/models/{model}/trace/setting',
      methods: ['GET', 'POST'],
      handle: (exchange) => {
        const document =
          exchange.method === 'POST' ? trace.update(model, traceChanges(this.#body(exchange))) : trace.document(model);
        exchange.reply(200, 'application/json', JSON.stringify(document));
      },
    };
  }

  /** `[R/]index`, `[R/]models/M/load`, `[R/]models/M/unload`: there is one repository, whatever it is called. */
  #repository(rest: readonly string[]): Endpoint | null {
    const { gateway, logger } = this.#context;
    if (rest.at(-1) === 'index' && rest.length <= 2) {
      return this.#endpoint('/v2/repository/index', 'POST', (exchange) =>
        indexOf(gateway.control, this.#body(exchange).ready === true),
      );
    }
    const [models, model, verb] = rest.slice(-3);
    if (models !== 'models' || model === undefined || rest.length > 4) return null;
    if (verb === 'load') {
      return this.#endpoint('/v2/repository/models/{model}/load', 'POST', async (exchange) => {
        const { parameters } = this.#body(exchange);
        await loadModel(gateway.control, logger, model, jsonParameters(parameters, 'the request'));
      });
    }
    if (verb !== 'unload') return null;
    // No model depends on another, so that there are no dependents to unload with it.
    return this.#endpoint('/v2/repository/models/{model}/unload', 'POST', (exchange) => {
      jsonParameters(this.#body(exchange).parameters, 'the request');
      return gateway.control.unload(model);
    });
  }

  #systemMemory(rest: readonly string[]): Endpoint | null {
    const { memory } = this.#context;
    const named = regionOf(rest);
    if (named === null) return null;
    const { region, verb } = named;
    const route = `/v2/systemsharedmemory${region === null ? '' : '/region/{region}'}/${verb}`;
    if (verb === 'status') return this.#endpoint(route, 'GET', () => memory.status(region));
    if (verb === 'unregister') return this.#endpoint(route, 'POST', () => memory.unregister(region));
    if (verb !== 'register' || region === null) return null;
    return this.#endpoint(route, 'POST', (exchange) => {
      const { key, offset = 0, byte_size } = this.#body(exchange);
      if (typeof key !== 'string' || typeof offset !== 'number' || typeof byte_size !== 'number') {
        throw malformed('the body must be {"key": string, "offset": number, "byte_size": number}');
      }
      memory.register(region, key, offset, byte_size);
    });
  }

  /** There is never a region: so the status is empty, and unregistering is done. */
  #cudaMemory(rest: readonly string[]): Endpoint | null {
    const named = regionOf(rest);
    if (named === null) return null;
    const { region, verb } = named;
    const route = `/v2/cudasharedmemory${region === null ? '' : '/region/{region}'}/${verb}`;
    if (verb === 'status') {
      return this.#endpoint(route, 'GET', () => {
        if (region !== null) throw fail('SHARED_MEMORY', { region, problem: 'no region of this name is registered' });
        return [];
      });
    }
    if (verb === 'unregister') return this.#endpoint(route, 'POST', () => undefined);
    if (verb !== 'register' || region === null) return null;
    return this.#endpoint(route, 'POST', () => {
      throw noCuda();
    });
  }

  #logging(): Endpoint {
    const { log } = this.#context;
    return {
      route: '/v2/logging',
      methods: ['GET', 'POST'],
      handle: (exchange) => {
        const document =
          exchange.method === 'POST' ? log.update(jsonParameters(this.#body(exchange), 'the request')) : log.document;
        exchange.reply(200, 'application/json', JSON.stringify(document));
      },
    };
  }

  /** Answers with what `handler` gives, as JSON, or with nothing where it gives nothing. */
  #endpoint(route: string, method: 'GET' | 'POST', handler: Handler): Endpoint {
    const { gateway } = this.#context;
    const answer = (exchange: Exchange, document: unknown): void => {
      if (document === undefined) exchange.reply(200, null, '');
      else exchange.reply(200, 'application/json', JSON.stringify(document));
    };
    return {
      route,
      methods: [method],
      handle: (exchange) => {
        const document = handler(exchange);
        if (!(document instanceof Promise)) {
          answer(exchange, document);
          return;
        }
        document.then(
          (settled: unknown) => answer(exchange, settled),
          (error: unknown) => gateway.refuse(exchange, error),
        );
      },
    };
  }

  /** The JSON object in the body; none is an empty one. */
  #body(exchange: Exchange): JsonObject {
    if (exchange.body.length === 0) return {};
    const body = this.#parser.parse(exchange.body);
    if (!isObject(body)) throw malformed('the body must be a JSON object');
    return body;
  }
}

/** `status`, or `region/NAME/status`. */
function regionOf(rest: readonly string[]): { region: string | null; verb: string } | null {
  const [first, second, third] = rest;
  if (rest.length === 1 && first !== undefined) return { region: null, verb: first };
  if (rest.length !== 3 || first !== 'region' || second === undefined || third === undefined) return null;
  return { region: second, verb: third };
}

export const noCuda = (): SlipwayError =>
  fail('NOT_IMPLEMENTED', {
    problem: 'CUDA shared memory is not supported; use system shared memory, or send the tensors in the request',
  });

const malformed = (problem: string): SlipwayError => fail('REQUEST_MALFORMED', { problem });
