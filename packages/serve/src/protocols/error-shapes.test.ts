/**
 * Every route that infers, with every error that any of them can meet: each is answered in the shape of the protocol of the route, also where
 * the error is found before the protocol sees the request.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { oneWeightModel } from '../testing/onnx.ts';
import { type Serving, serving } from '../testing/serving.ts';

const TEXT: unknown = expect.any(String);
const TORCH: unknown = { code: expect.any(Number) as unknown, type: TEXT, message: TEXT, request_id: TEXT, hint: TEXT };
const OURS: unknown = { error: TEXT, code: TEXT, request_id: TEXT, hint: TEXT };

interface Route {
  readonly at: (model: string) => string;
  /** A request for the model `one`, which doubles. */
  readonly good: string;
  readonly shape: unknown;
  /** Where the model is not in the path. */
  readonly headers?: (model: string) => Record<string, string>;
}

const ROUTES: readonly Route[] = [
  { at: (model) => `/v1/models/${model}:predict`, good: '{"instances":[[1]]}', shape: OURS },
  { at: (model) => `/v1/models/${model}/versions/1:predict`, good: '{"inputs":[[1]]}', shape: OURS },
  {
    at: (model) => `/v2/models/${model}/infer`,
    good: '{"inputs":[{"name":"x","shape":[1,1],"datatype":"FP32","data":[1]}]}',
    shape: OURS,
  },
  {
    at: (model) => `/v2/models/${model}/versions/1/infer`,
    good: '{"inputs":[{"name":"x","shape":[1,1],"datatype":"FP32","data":[1]}]}',
    shape: OURS,
  },
  { at: (model) => `/predict/${model}`, good: '[[1]]', shape: OURS },
  { at: (model) => `/predictions/${model}`, good: '[[1]]', shape: TORCH },
  {
    at: () => '/invocations',
    good: '{"instances":[[1]]}',
    shape: OURS,
    headers: (model) => ({ 'x-amzn-sagemaker-target-model': model }),
  },
];

interface Mistake {
  readonly title: string;
  readonly status: number;
  readonly code: string;
  readonly send: (route: Route) => Promise<Response>;
}

let served: Serving;
const post = (route: Route, model: string, body: string, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(served.url + route.at(model), {
    method: 'POST',
    body,
    headers: { 'content-type': 'application/json', ...route.headers?.(model), ...headers },
  });

const MISTAKES: readonly Mistake[] = [
  { title: 'no JSON', status: 400, code: 'REQUEST_MALFORMED', send: (route) => post(route, 'one', '{') },
  {
    title: 'a large body that is no JSON',
    status: 400,
    code: 'REQUEST_MALFORMED',
    send: (route) => post(route, 'one', `${' '.repeat(1_200_000)}{`),
  },
  {
    title: 'a .npy that is none',
    status: 400,
    code: 'REQUEST_MALFORMED',
    send: (route) => post(route, 'one', 'x', { 'content-type': 'application/x-npy' }),
  },
  {
    title: 'a large CSV that is none',
    status: 400,
    code: 'REQUEST_MALFORMED',
    send: (route) => post(route, 'one', `"${'a'.repeat(100_000)}`, { 'content-type': 'text/csv' }),
  },
  {
    title: 'a header length that is none',
    status: 400,
    code: 'REQUEST_MALFORMED',
    send: (route) => post(route, 'one', route.good, { 'inference-header-content-length': 'x' }),
  },
  {
    title: 'a time limit that is none',
    status: 400,
    code: 'REQUEST_MALFORMED',
    send: (route) => post(route, 'one', route.good, { 'x-request-timeout-ms': 'soon' }),
  },
  {
    title: 'a priority that is none',
    status: 400,
    code: 'REQUEST_MALFORMED',
    send: (route) => post(route, 'one', route.good, { 'x-slipway-priority': 'high' }),
  },
  { title: 'no such model', status: 404, code: 'MODEL_NOT_FOUND', send: (route) => post(route, 'nobody', route.good) },
  {
    title: 'another method',
    status: 405,
    code: 'METHOD_NOT_ALLOWED',
    send: (route) => fetch(served.url + route.at('one'), { method: 'DELETE' }),
  },
  {
    title: 'an answer in no form there is',
    status: 406,
    code: 'NOT_ACCEPTABLE',
    send: (route) => post(route, 'one', route.good, { accept: 'image/png' }),
  },
  {
    title: 'a body that is too large',
    status: 413,
    code: 'BODY_TOO_LARGE',
    send: (route) => post(route, 'one', ' '.repeat(2_100_000)),
  },
  {
    title: 'another Content-Type',
    status: 415,
    code: 'MEDIA_TYPE_UNSUPPORTED',
    send: (route) => post(route, 'one', route.good, { 'content-type': 'application/pdf' }),
  },
  {
    title: 'another Content-Encoding',
    status: 415,
    code: 'MEDIA_TYPE_UNSUPPORTED',
    send: (route) => post(route, 'one', route.good, { 'content-encoding': 'br' }),
  },
  {
    title: 'a model that could not be loaded',
    status: 503,
    code: 'MODEL_UNAVAILABLE',
    send: (route) => post(route, 'bad', route.good),
  },
];

beforeAll(async () => {
  served = await serving({ one: oneWeightModel(2), bad: Buffer.from('not a model') }, { maxBodyBytes: 2_000_000 });
  await served.server.ready;
});
afterAll(() => served.close());

describe.each(ROUTES.map((route) => [route.at('MODEL'), route] as const))('%s', (_, route) => {
  it.each(MISTAKES.map((mistake) => [mistake.title, mistake] as const))('%s', async (__, { status, code, send }) => {
    const response = await send(route);
    const body = (await response.json()) as { code: string | number };
    const expected = route.shape === TORCH ? status : code;
    expect({ status: response.status, body }).toMatchObject({ status, body: { code: expected } });
    expect(body).toEqual(route.shape);
    expect(response.headers.get('content-type')).toBe('application/json');
    expect(response.headers.get('x-request-id')).toMatch(/\S/);
    if (status === 503) expect(response.headers.get('retry-after')).toMatch(/^\d+$/);
    expect((await post(route, 'one', route.good)).status).toBe(200);
  });
});
