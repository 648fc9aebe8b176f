/**
 * SageMaker's multi-model endpoints: the platform copies a model to the disk of the container, says `POST /models`, sends its
 * requests to `POST /models/NAME/invoke`, and takes the least recently used away when an answer says 507.
 * Contract: https://docs.aws.amazon.com/sagemaker/latest/dg/mms-container-apis.html
 */
import { asSlipwayError, fail } from '@slipway/core';
import path from 'node:path';
import { errorAnswer } from '../../http/errors.ts';
import type { Endpoint, Exchange } from '../../http/exchange.ts';
import { findModels } from '../../platform.ts';
import type { Gateway } from '../gateway.ts';
import { pathSegments } from '../path.ts';

interface Listed {
  readonly modelName: string;
  readonly modelUrl: string;
}

const PAGE = 100;

export class MultiModelRoutes {
  readonly #gateway: Gateway;
  readonly #root: string;
  readonly #infer: (exchange: Exchange, model: string) => void;
  /** What was loaded by a call, in that order. */
  readonly #loaded = new Map<string, string>();

  /** @param root models are only loaded from below */
  constructor(gateway: Gateway, root: string, infer: (exchange: Exchange, model: string) => void) {
    this.#gateway = gateway;
    this.#root = root;
    this.#infer = infer;
  }

  find(route: string): Endpoint | null {
    if (!route.startsWith('/models')) return null;
    const [word, name, verb, ...more] = pathSegments(route) ?? [];
    if (word !== 'models' || more.length > 0) return null;
    if (name === undefined) {
      return {
        route: '/models',
        methods: ['GET', 'POST'],
        handle: (exchange) => (exchange.method === 'POST' ? this.#load(exchange) : this.#list(exchange)),
      };
    }
    if (verb === undefined) {
      return {
        route: '/models/{model}',
        methods: ['GET', 'DELETE'],
        handle: (exchange) =>
          exchange.method === 'DELETE' ? this.#unload(exchange, name) : reply(exchange, 200, this.#listed(name)),
      };
    }
    if (verb !== 'invoke') return null;
    return {
      route: '/models/{model}/invoke',
      methods: ['POST'],
      handle: (exchange) => {
        this.#listed(name);
        this.#infer(exchange, name);
      },
    };
  }

  #load(exchange: Exchange): void {
    const { name, url } = loadRequest(exchange.body);
    if (this.#loaded.has(name)) throw fail('CONTROL_CONFLICT', { model: name, problem: 'it is loaded already' });
    const found = findModels(inside(this.#root, url));
    if (!('models' in found)) throw malformed(`"url" holds several models; an archive of an endpoint holds one`);
    this.#later(exchange, async () => {
      await this.#gateway.control.load(name, { path: found.models[0]?.path ?? url });
      this.#loaded.set(name, url);
      reply(exchange, 200, this.#listed(name));
    });
  }

  #unload(exchange: Exchange, name: string): void {
    const listed = this.#listed(name);
    this.#later(exchange, async () => {
      await this.#gateway.control.unload(name);
      this.#loaded.delete(name);
      reply(exchange, 200, listed);
    });
  }

  #list(exchange: Exchange): void {
    const token = new URLSearchParams(exchange.query).get('next_page_token');
    const names = [...this.#loaded.keys()];
    const start = token === null ? 0 : Math.max(0, names.indexOf(token));
    const page = names.slice(start, start + PAGE);
    const next = names[start + PAGE];
    reply(exchange, 200, {
      models: page.map((name) => this.#listed(name)),
      ...(next === undefined ? {} : { nextPageToken: next }),
    });
  }

  /** @throws MODEL_NOT_FOUND */
  #listed(name: string): Listed {
    const url = this.#loaded.get(name);
    if (url === undefined) throw fail('MODEL_NOT_FOUND', { model: name.slice(0, 200) });
    return { modelName: name, modelUrl: url };
  }

  #later(exchange: Exchange, work: () => Promise<void>): void {
    work().catch((thrown: unknown) => {
      const { status, body, headers } = errorAnswer(asSlipwayError(thrown), exchange.id);
      exchange.reply(status, 'application/json', body, headers);
    });
  }
}

function loadRequest(body: Buffer): { readonly name: string; readonly url: string } {
  let request: unknown;
  try {
    request = JSON.parse(body.toString('utf8'));
  } catch {
    throw malformed('the body is not JSON');
  }
  const { model_name: name, url } = (request ?? {}) as Readonly<Record<string, unknown>>;
  if (typeof name !== 'string' || typeof url !== 'string') {
    throw malformed('"model_name" and "url" must be given, as text');
  }
  return { name, url };
}

/** @throws REQUEST_MALFORMED for what is not below `root` */
function inside(root: string, url: string): string {
  const at = path.resolve(root, url);
  if (!url.includes('\0') && at.startsWith(root + path.sep)) return at;
  throw malformed(`"url" must be a path below ${root}`);
}

const reply = (exchange: Exchange, status: number, body: unknown): void =>
  exchange.reply(status, 'application/json', JSON.stringify(body));
const malformed = (problem: string) => fail('REQUEST_MALFORMED', { problem });
