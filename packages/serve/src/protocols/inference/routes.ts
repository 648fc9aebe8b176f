/**
 * Open Inference Protocol v2 (REST) with Triton's extensions: `/v2/…`.
 *
 * Health answers have the body that KServe gives (`{"live": true}`, `{"ready": true}`); Triton's clients look at the status only.
 * What is not ready is 503, as with KServe, and not 400 as with Triton: the request was right, and may be sent again.
 */
import { fail, OIP_DATATYPE, type TensorSpec } from '@slipway/core';
import type { Endpoint } from '../../http/exchange.ts';
import { compressing } from '../../http/compress.ts';
import { JsonWriter } from '../../json/writer.ts';
import { type Gateway, LATEST, type Selector } from '../gateway.ts';
import { pathSegments } from '../path.ts';
import { clientSignature } from './client-signature.ts';
import type { InferenceContext } from './context.ts';
import { PLATFORM, readyVersions, selectorOf } from './describe.ts';
import { writeInferReply } from './infer-reply.ts';
import { type InferRequest, jsonLength, readInferRequest, readRawRequest } from './infer-request.ts';
import { ManagementRoutes } from './management.ts';
import { answerOutputs } from './outputs.ts';
import { requestedOutputs } from './parameters.ts';

export class InferenceRoutes {
  readonly #context: InferenceContext;
  readonly #gateway: Gateway;
  readonly #management: ManagementRoutes;
  readonly #writer = new JsonWriter('string');

  constructor(context: InferenceContext) {
    this.#context = context;
    this.#gateway = context.gateway;
    this.#management = new ManagementRoutes(context);
  }

  find(path: string): Endpoint | null {
    if (path === '/v2' || path === '/v2/') return this.#serverMetadata();
    if (!path.startsWith('/v2/')) return null;
    const segments = pathSegments(path);
    if (segments === null) return null;
    const [, area = '', ...rest] = segments;
    if (area === 'health') return this.#health(rest);
    return area === 'models' ? this.#models(rest) : this.#management.find(area, rest);
  }

  #models(rest: readonly string[]): Endpoint | null {
    const [model, ...tail] = rest;
    if (model === undefined) return get('/v2/models', () => ({ models: this.#gateway.models.names() }));
    if (model === 'stats' && tail.length === 0) return this.#management.statistics(null, LATEST);
    let selector = LATEST;
    if (tail[0] === 'versions' && tail[1] !== undefined) {
      selector = selectorOf(tail[1]);
      tail.splice(0, 2);
    }
    if (tail.length === 2 && tail[0] === 'trace' && tail[1] === 'setting' && selector === LATEST) {
      return this.#management.traceSettings(model);
    }
    if (tail.length > 1) return null;
    switch (tail[0]) {
      case undefined:
        return this.#modelMetadata(model, selector);
      case 'ready':
        return this.#modelReady(model, selector);
      case 'infer':
        return this.#infer(model, selector);
      case 'stats':
        return this.#management.statistics(model, selector);
      case 'config':
        return this.#management.configuration(model, selector);
      case 'generate':
      case 'generate_stream':
        return this.#generate(model, selector, tail[0]);
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
        this.#gateway.infer(compressing(exchange), model, selector, json, {
          ownBinary: true,
          decode: (version, value, bytes) => {
            const { accepts } = version;
            request =
              json === null
                ? readRawRequest(raw, accepts)
                : readInferRequest(value, { json: bytes, raw, signature: accepts, memory });
            return request;
          },
          encode: (version, outputs) => {
            // Outputs are never views of inputs, and the runner is done with those.
            memory.give(request?.read ?? []);
            const asked = request?.outputs ?? requestedOutputs([], false, version.signature);
            const answered = answerOutputs(version, asked, outputs, memory);
            return writeInferReply(this.#writer, version, request?.id ?? null, answered);
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
      const signature = clientSignature(models.find(model, selector));
      const tensors = (specs: readonly TensorSpec[]): unknown =>
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
    return get('/v2/models/{model}/ready', () => {
      this.#gateway.models.find(model, selector);
      return { name: model, ready: true };
    });
  }

  #generate(model: string, selector: Selector, verb: string): Endpoint {
    return {
      route: `/v2/models/{model}/${verb}`,
      methods: ['POST'],
      handle: () => {
        this.#gateway.models.find(model, selector);
        throw fail('NOT_IMPLEMENTED', {
          problem: `${verb} is for models that write text token by token, and "${model}" is served as tensors: use infer`,
        });
      },
    };
  }

  #health(rest: readonly string[]): Endpoint | null {
    if (rest.length !== 1) return null;
    if (rest[0] === 'live') return get('/v2/health/live', () => ({ live: true }));
    if (rest[0] !== 'ready') return null;
    return {
      route: '/v2/health/ready',
      methods: ['GET'],
      handle: (exchange) => {
        const { ready } = this.#gateway.models;
        exchange.reply(ready ? 200 : 503, 'application/json', JSON.stringify({ ready }));
      },
    };
  }
}

/** For inputs that came in another form than this protocol's: all outputs, as JSON. */
function get(route: string, document: () => unknown): Endpoint {
  return {
    route,
    methods: ['GET'],
    handle: (exchange) => exchange.reply(200, 'application/json', JSON.stringify(document())),
  };
}
