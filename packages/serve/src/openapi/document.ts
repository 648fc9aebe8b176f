/**
 * The OpenAPI 3.1 document of what is served now: concrete paths, the real shapes and dtypes of each model, a request that works.
 *
 * https://spec.openapis.org/oas/v3.1.1.html
 */
import { type ErrorCode, errorTable } from '@slipway/core';
import { inferenceProtocol } from './inference.ts';
import { kserveProtocol } from './kserve.ts';
import type { Described, Operation, Protocol } from './operation.ts';
import { invocationsProtocol } from './invocations.ts';
import { plainProtocol, torchserveProtocol } from './plain.ts';
import { objectOf, type Schema } from './schema.ts';
import { tensorflowProtocol } from './tensorflow.ts';

const PROTOCOLS: readonly Protocol[] = [
  tensorflowProtocol,
  kserveProtocol,
  inferenceProtocol,
  plainProtocol,
  torchserveProtocol,
  invocationsProtocol,
];

/** Bodies and answers beside JSON; their bytes are not JSON, so they have no schema. */
const BODY_TYPES = ['application/x-npz', 'application/vnd.apache.arrow.stream', 'application/vnd.apache.arrow.file'];
const SINGLE_BODY_TYPES = ['application/x-npy', 'application/octet-stream'];
const ANSWER_TYPES = [
  'application/x-npz',
  'application/vnd.apache.arrow.stream',
  'application/vnd.apache.arrow.file',
  'application/octet-stream',
];

/** The errors of every request, and those of a request that infers. */
const ALWAYS: readonly ErrorCode[] = [
  'REQUEST_MALFORMED',
  'MODEL_NOT_FOUND',
  'METHOD_NOT_ALLOWED',
  'INTERNAL',
  'NOT_READY',
];
const INFERRING: readonly ErrorCode[] = [
  'NOT_ACCEPTABLE',
  'REQUEST_TIMEOUT',
  'BODY_TOO_LARGE',
  'MEDIA_TYPE_UNSUPPORTED',
  'QUEUE_FULL',
  'DEADLINE_EXCEEDED',
];
const WITH_BODY: readonly ErrorCode[] = ['REQUEST_TIMEOUT', 'BODY_TOO_LARGE', 'MEDIA_TYPE_UNSUPPORTED'];

const TITLES: Readonly<Partial<Record<ErrorCode, string>>> = {
  REQUEST_MALFORMED: 'The request is wrong: what, where, and what was expected.',
  MODEL_NOT_FOUND: 'There is no such model or version here.',
  METHOD_NOT_ALLOWED: 'The path has other methods; `Allow` names them.',
  NOT_ACCEPTABLE: 'The answer cannot have the form that `Accept` asks for.',
  REQUEST_TIMEOUT: 'The request did not arrive in time.',
  BODY_TOO_LARGE: 'The body is too large, also when it only becomes so unpacked.',
  MEDIA_TYPE_UNSUPPORTED: 'Bodies of this Content-Type or Content-Encoding are not taken.',
  QUEUE_FULL: 'The queue is full. `Retry-After` says when to come again.',
  DEADLINE_EXCEEDED: 'The answer could not be given in time.',
  NOT_READY: 'The model is not available at the moment.',
  INTERNAL: 'Something failed that should not have.',
};

export function openapiDocument(models: readonly Described[], server: { readonly version: string }): unknown {
  const paths: Record<string, Record<string, unknown>> = {};
  const add = (operations: readonly Operation[], of: Described | null): void => {
    for (const operation of operations) {
      (paths[operation.path] ??= {})[operation.method] = operationObject(operation, of);
    }
  };
  for (const protocol of PROTOCOLS) add(protocol.server(), null);
  for (const of of models) for (const protocol of PROTOCOLS) add(protocol.model(of), of);
  return {
    openapi: '3.1.1',
    info: {
      title: models.length === 1 ? `Slipway: ${models[0]?.model ?? ''}` : 'Slipway',
      version: server.version,
      description: 'Inference over several protocols, on one port. Every error has the same four members.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    tags: PROTOCOLS.map(({ tag, description }) => ({ name: tag, description })),
    paths,
    components: {
      schemas: ERRORS,
      responses: Object.fromEntries(
        ERROR_SCHEMAS.flatMap((schema) =>
          ALL_ERRORS.map((code) => [responseName(code, schema), errorResponse(code, schema)]),
        ),
      ),
      parameters: PARAMETERS,
    },
    'x-slipway-models': models.map(({ model, version, signature, images, example }) => ({
      name: model,
      version,
      inputs: signature.inputs,
      outputs: signature.outputs,
      images,
      example: example?.origin ?? null,
    })),
  };
}

const ALL_ERRORS: readonly ErrorCode[] = [...ALWAYS, ...INFERRING];

function operationObject(operation: Operation, of: Described | null): unknown {
  const { request, infers, answer } = operation;
  const errors = [...ALWAYS, ...(infers ? INFERRING : request === undefined ? [] : WITH_BODY)];
  return {
    operationId: operation.id,
    ...(of === null ? {} : { 'x-slipway-model': of.model }),
    tags: [operation.tag],
    summary: operation.summary,
    ...(operation.description === undefined ? {} : { description: operation.description }),
    parameters: ['RequestId', ...(infers ? ['Timeout', 'Priority'] : [])].map((name) => ({
      $ref: `#/components/parameters/${name}`,
    })),
    ...(request === undefined
      ? {}
      : {
          requestBody: {
            required: request.required ?? true,
            content: {
              'application/json': {
                schema: request.schema,
                ...(request.example === undefined ? {} : { example: request.example }),
              },
              ...(infers && of !== null ? otherBodies(of) : {}),
            },
          },
        }),
    responses: {
      200: {
        description: answer === null ? 'Yes.' : 'The answer.',
        headers: { 'x-request-id': { schema: { type: 'string' }, description: 'Of the request, or ours.' } },
        ...(answer === null
          ? {}
          : {
              content: {
                'application/json': { schema: answer },
                ...(infers && of !== null ? otherAnswers(of) : {}),
              },
            }),
      },
      ...Object.fromEntries(
        errors.map((code) => [
          String(errorTable[code].http),
          { $ref: `#/components/responses/${responseName(code, operation.errors ?? 'Error')}` },
        ]),
      ),
    },
  };
}

function otherBodies({ signature: { inputs }, images }: Described): Record<string, unknown> {
  const single = inputs.length === 1;
  const texts = single && inputs[0]?.dtype === 'string' ? (images.length > 0 ? ['image/*'] : ['text/plain']) : [];
  const types = [...texts, ...(single ? SINGLE_BODY_TYPES : []), ...BODY_TYPES];
  return {
    ...binary(types),
    'text/csv': { schema: { type: 'string' } },
    'multipart/form-data': { schema: objectOf(inputs.map(({ name }) => [name, {}])) },
  };
}

const otherAnswers = ({ signature: { outputs } }: Described): Record<string, unknown> => ({
  ...binary([...(outputs.length === 1 ? ['application/x-npy'] : []), ...ANSWER_TYPES]),
  'text/csv': { schema: { type: 'string' } },
});

const binary = (types: readonly string[]): Record<string, unknown> =>
  Object.fromEntries(types.map((type) => [type, {}]));

type ErrorSchema = 'Error' | 'TorchServeError';
const ERROR_SCHEMAS: readonly ErrorSchema[] = ['Error', 'TorchServeError'];
const responseName = (code: ErrorCode, schema: ErrorSchema): string =>
  schema === 'Error' ? code : `TorchServe.${code}`;

const ERROR: Schema = objectOf([
  ['error', { type: 'string', description: 'What was wrong, for people.' }],
  ['code', { type: 'string', description: 'What was wrong, for programs.', examples: ['TENSOR_INVALID'] }],
  ['request_id', { type: 'string' }],
  ['hint', { type: 'string', description: 'What to do about it.' }],
]);

/** TorchServe's clients read `code`, `type` and `message`. */
const ERRORS: Readonly<Record<ErrorSchema, Schema>> = {
  Error: ERROR,
  TorchServeError: objectOf([
    ['code', { type: 'integer' }],
    ['type', { type: 'string' }],
    ['message', { type: 'string' }],
    ['request_id', { type: 'string' }],
    ['hint', { type: 'string' }],
  ]),
};

function errorResponse(code: ErrorCode, schema: ErrorSchema): unknown {
  const { http } = errorTable[code];
  const retry = http === 429 || http === 503;
  return {
    description: TITLES[code] ?? code,
    ...(retry ? { headers: { 'Retry-After': { schema: { type: 'integer' }, description: 'Seconds.' } } } : {}),
    content: { 'application/json': { schema: { $ref: `#/components/schemas/${schema}` } } },
  };
}

const PARAMETERS = {
  RequestId: {
    name: 'x-request-id',
    in: 'header',
    description:
      'Comes back with the answer and stands in the log, when it has at most 128 letters, digits and . : @ / + = _ -.',
    schema: { type: 'string' },
  },
  Timeout: {
    name: 'x-request-timeout-ms',
    in: 'header',
    description: 'How long the answer may take, in milliseconds; at most what the server allows.',
    schema: { type: 'integer', minimum: 1, maximum: 86_400_000 },
  },
  Priority: {
    name: 'x-slipway-priority',
    in: 'header',
    description: 'Whose turn it is when requests wait; 1 is first.',
    schema: { type: 'integer', minimum: 0, maximum: 1000 },
  },
};
