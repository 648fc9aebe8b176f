/**
 * What KServe's v1 protocol has beside TensorFlow Serving's, which it grew from: `GET /`, `GET /v1/models` and `:explain`.
 *
 * The two meet at `GET /v1/models/M`: TensorFlow Serving answers with `model_version_status`, KServe with `name` and `ready`. The
 * answer has all three (tensorflow/routes.ts); each client reads its own. At `GET /v1/models` TensorFlow Serving only
 * says that a name is missing, so KServe's list wins.
 */
import { fail } from '@slipway/core';
import type { Endpoint, Exchange } from '../../http/exchange.ts';
import { type Gateway, LATEST } from '../gateway.ts';
import { pathSegments } from '../path.ts';

const EXPLAIN = /:explain$/i;

export class KServeRoutes {
  readonly #gateway: Gateway;

  constructor(gateway: Gateway) {
    this.#gateway = gateway;
  }

  find(path: string): Endpoint | null {
    if (path === '/') return document('/', () => ({ status: 'alive' }));
    if (!path.startsWith('/v1/models')) return null;
    if (path === '/v1/models') return document('/v1/models', () => ({ models: this.#gateway.models.names() }));
    const [, , name, ...more] = pathSegments(path.replace(EXPLAIN, '')) ?? [];
    if (!EXPLAIN.test(path) || name === undefined || more.length > 0) return null;
    return {
      route: '/v1/models/{model}:explain',
      methods: ['POST'],
      handle: () => {
        this.#gateway.models.find(name, LATEST);
        throw fail('NOT_IMPLEMENTED', {
          problem: `Model "${name}" has no explainer: releases carry none, and this server makes no explanations by itself`,
        });
      },
    };
  }
}

function document(route: string, make: () => unknown): Endpoint {
  return {
    route,
    methods: ['GET'],
    handle: (exchange: Exchange) => exchange.reply(200, 'application/json', JSON.stringify(make())),
  };
}
