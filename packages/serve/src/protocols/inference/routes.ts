/**
 * Open Inference Protocol v2 (REST) with Triton's binary tensor and model repository extensions: `/v2/…`.
 * Health answers are empty, as Triton's are: clients look at the status only.
 */
import { fail, OIP_DATATYPE } from '@slipway/core';
import type { Endpoint, Exchange } from '../../http/exchange.ts';
import { isObject, JsonParser } from '../../json/parse.ts';
import { JsonWriter } from '../../json/writer.ts';
import { type Gateway, LATEST, type Selector, type ServedVersion } from '../gateway.ts';
import { pathSegments, versionOf } from '../path.ts';
import type { InferenceContext } from './context.ts';
import { indexOf, PLATFORM, readyVersions } from './describe.ts';
import { writeInferReply } from './infer-reply.ts';
import { type InferRequest, jsonLength, readInferRequest, readRawRequest } from './infer-request.ts';
import { answerOutputs } from './outputs.ts';

export class InferenceRoutes {
  readonly #context: InferenceContext;
  readonly #gateway: Gateway;
  readonly #parser = new JsonParser({ nonFinite: false });
  readonly #writer = new JsonWriter('string');

  constructor(context: InferenceContext) {
    this.#context = context;
    this.#gateway = context.gateway;
  }

  find(path: string): Endpoint | null {
    if (path === '/v2' || path === '/v2/') return this.#serverMetadata();
    if (!path.startsWith('/v2/')) return null;
    const segments = pathSegments(path);
    if (segments === null) return null;
    const [, area, ...rest] = segments;
    if (area === 'health') return this.#health(rest);
    if (area === 'repository') return this.#repository(rest);
    if (area !== 'models') return null;
    const [model, ...tail] = rest;
    if (model === undefined) return null;
    let selector = LATEST;
    if (tail[0] === 'versions' && tail[1] !== undefined) {
      const version = versionOf(tail[1]);
      // What cannot be a version is a version that is not here.
      selector = { kind: 'version', version: version ?? -1 };
      tail.splice(0, 2);
    }
    if (tail.length > 1) return null;
    switch (tail[0]) {
      case undefined:
        return this.#modelMetadata(model, selector);
      case 'ready':
        return this.#modelReady(model, selector);
      case 'infer':
        return this.#infer(model, selector);
      default:
        return null;
    }
  }

  #infer(model: string, selector: Selector): Endpoint {
    return {
      route: '/v2/models/{model}/infer',
      methods: ['POST'],
      handle: (exchange) => {
        let request: InferRequest | null = null;
        const { body } = exchange;
        const { memory } = this.#context;
        const split = jsonLength(body, exchange.header('inference-header-content-length'));
        const raw = body.subarray(split);
        const json = split === 0 && body.length > 0 ? null : { bytes: body.subarray(0, split), nonFinite: false };
        this.#gateway.infer(exchange, model, selector, json, {
          ownBinary: true,
          decode: (version, value, bytes) => {
            const { accepts } = version.scheduler.rules;
            request =
              json === null
                ? readRawRequest(raw, accepts)
                : readInferRequest(value, { json: bytes, raw, signature: accepts, memory });
            return request;
          },
          encode: (version, outputs) => {
            const asked = request ?? unasked(version);
            return writeInferReply(
              this.#writer,
              version,
              asked,
              answerOutputs(version, asked.outputs, outputs, memory),
            );
          },
        });
      },
    };
  }

  #serverMetadata(): Endpoint {
    return get('/v2', () => this.#context.server);
  }

  #modelMetadata(model: string, selector: Selector): Endpoint {
    return get('/v2/models/{model}', () => {
      const { models } = this.#gateway;
      const { signature } = models.find(model, selector);
      const tensors = (specs: typeof signature.inputs): unknown =>
        specs.map(({ name, dtype, shape }) => ({
          name,
          datatype: OIP_DATATYPE[dtype],
          shape: (shape ?? [-1]).map((dim) => (typeof dim === 'number' ? dim : -1)),
        }));
      return {
        name: model,
        versions: readyVersions(models, model),
        platform: PLATFORM,
        inputs: tensors(signature.inputs),
        outputs: tensors(signature.outputs),
      };
    });
  }

  #modelReady(model: string, selector: Selector): Endpoint {
    return {
      route: '/v2/models/{model}/ready',
      methods: ['GET'],
      handle: (exchange) => {
        this.#gateway.models.find(model, selector);
        exchange.reply(200, null, '');
      },
    };
  }

  #health(rest: readonly string[]): Endpoint | null {
    if (rest.length !== 1) return null;
    if (rest[0] === 'live') return empty('/v2/health/live', () => 200);
    if (rest[0] === 'ready') return empty('/v2/health/ready', () => (this.#gateway.models.ready ? 200 : 503));
    return null;
  }

  #repository(rest: readonly string[]): Endpoint | null {
    // `/v2/repository/index` and `/v2/repository/NAME/index`: there is one repository.
    if (rest.at(-1) !== 'index' || rest.length > 2) return null;
    return {
      route: '/v2/repository/index',
      methods: ['POST'],
      handle: (exchange) => {
        const only = this.#readyOnly(exchange);
        const index = indexOf(this.#gateway.models, only);
        exchange.reply(200, 'application/json', JSON.stringify(index));
      },
    };
  }

  #readyOnly(exchange: Exchange): boolean {
    if (exchange.body.length === 0) return false;
    const body = this.#parser.parse(exchange.body);
    if (!isObject(body)) throw fail('REQUEST_MALFORMED', { problem: 'the body must be a JSON object' });
    return body.ready === true;
  }
}

/** For inputs that came in another form than this protocol's: all outputs, as JSON. */
const unasked = ({ signature }: ServedVersion): InferRequest => ({
  id: null,
  inputs: {},
  outputs: signature.outputs.map(({ name }) => ({ name, binary: false, classes: 0, memory: null })),
  timeoutMs: null,
});

function get(route: string, document: () => unknown): Endpoint {
  return {
    route,
    methods: ['GET'],
    handle: (exchange) => exchange.reply(200, 'application/json', JSON.stringify(document())),
  };
}

function empty(route: string, status: () => number): Endpoint {
  return { route, methods: ['GET'], handle: (exchange) => exchange.reply(status(), null, '') };
}
