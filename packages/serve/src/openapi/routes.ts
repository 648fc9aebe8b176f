/** `/openapi.json`, of all models or of `?model=NAME`, and `/docs`, the same for people. Made anew for each request: models come and go. */
import { SlipwayError } from '@slipway/core';
import type { Endpoint } from '../http/exchange.ts';
import { LATEST, type Models } from '../protocols/gateway.ts';
import { openapiDocument } from './document.ts';
import { exampleOf } from './example.ts';
import type { Described } from './operation.ts';
import { docsPage, docsPolicy } from './page.ts';

export class OpenapiRoutes {
  readonly #models: Models;
  readonly #version: string;

  constructor(models: Models, version: string) {
    this.#models = models;
    this.#version = version;
  }

  find(path: string): Endpoint | null {
    if (path === '/openapi.json') {
      return {
        route: path,
        methods: ['GET'],
        handle: (exchange) => {
          const model = new URLSearchParams(exchange.query).get('model');
          const models = model === null ? this.#served() : [this.#describe(model)];
          const document = openapiDocument(models, { version: this.#version });
          exchange.reply(200, 'application/json', JSON.stringify(document), ['Cache-Control', 'no-cache']);
        },
      };
    }
    if (path !== '/docs' && path !== '/docs/') return null;
    return {
      route: '/docs',
      methods: ['GET'],
      handle: (exchange) => {
        exchange.reply(200, 'text/html; charset=utf-8', docsPage(), [
          'Content-Security-Policy',
          docsPolicy(),
          'X-Content-Type-Options',
          'nosniff',
          'Referrer-Policy',
          'no-referrer',
          'Cache-Control',
          'no-cache',
        ]);
      },
    };
  }

  /** Every model that answers now. */
  #served(): Described[] {
    return this.#models.names().flatMap((model) => {
      try {
        return [this.#describe(model)];
      } catch (error) {
        if (error instanceof SlipwayError) return [];
        throw error;
      }
    });
  }

  /** @throws MODEL_NOT_FOUND, NOT_READY, MODEL_UNAVAILABLE */
  #describe(model: string): Described {
    const found = this.#models.find(model, LATEST);
    const { version, images } = found;
    const signature = { inputs: found.accepts.inputs, outputs: found.signature.outputs };
    return { model, version, signature, images, example: exampleOf(signature, found.sample, images) };
  }
}
