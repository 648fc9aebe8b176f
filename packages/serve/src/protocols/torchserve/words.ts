/** TorchServe's names for things: its errors, its versions (`1.0`), its answers. */
import { fail, type SlipwayError } from '@slipway/core';
import { type ErrorAnswer, errorAnswer } from '../../http/errors.ts';
import type { Exchange } from '../../http/exchange.ts';
import { type Gateway, LATEST, type Selector } from '../gateway.ts';
import { versionOf } from '../path.ts';

/** The label that `set-default` moves. */
export const DEFAULT_LABEL = 'default';

const TYPES: Readonly<Partial<Record<SlipwayError['code'], string>>> = {
  MODEL_NOT_FOUND: 'ModelNotFoundException',
  VERSION_NOT_FOUND: 'ModelVersionNotFoundException',
  METHOD_NOT_ALLOWED: 'MethodNotAllowedException',
  ROUTE_NOT_FOUND: 'ResourceNotFoundException',
  CONTROL_CONFLICT: 'ConflictStatusException',
};

/** `{code, type, message}`, with what all our errors say beside it. */
export function encodeError(error: SlipwayError, exchange: Exchange): ErrorAnswer {
  const { status, body, headers } = errorAnswer(error, exchange.id);
  const { hint } = JSON.parse(body) as { hint: string };
  const document = { code: status, type: typeOf(error), message: error.message, request_id: exchange.id, hint };
  return { status, body: JSON.stringify(document), headers };
}

function typeOf(error: SlipwayError): string {
  const known = TYPES[error.code];
  if (known !== undefined) return known;
  if (error.httpStatus === 429 || error.httpStatus === 503) return 'ServiceUnavailableException';
  if (error.httpStatus === 504) return 'RequestTimeoutException';
  return error.httpStatus < 500 ? 'BadRequestException' : 'InternalServerException';
}

/**
 * Versions there are texts, mostly `1.0`; here they are whole numbers.
 * @throws VERSION_NOT_FOUND
 */
export function torchVersion(model: string, text: string): number {
  const version = versionOf(text.replace(/(?:\.0+)+$/, ''));
  if (version === null) {
    throw fail('VERSION_NOT_FOUND', { model: model.slice(0, 200), version: `"${text.slice(0, 100)}"` });
  }
  return version;
}

/** Without a version: the default one, where somebody has set it, otherwise the newest. */
export function selectorOf(gateway: Gateway, model: string, version: string | undefined): Selector {
  if (version !== undefined) return { kind: 'version', version: torchVersion(model, version) };
  const byLabel = { kind: 'label', label: DEFAULT_LABEL } as const;
  try {
    gateway.models.find(model, byLabel);
    return byLabel;
  } catch {
    return LATEST;
  }
}
