/** How a failure is shown: one JSON document on stdout under `--json`, otherwise what happened and what to do, on stderr. */
import type { SlipwayError } from '@slipway/core';
import { type Style, wrap } from './style.ts';

export interface FailureDocument {
  readonly error: {
    readonly code: string;
    readonly message: string;
    readonly remedy: string;
    readonly params: Readonly<Record<string, string | number>>;
  };
}

export function failureDocument(error: SlipwayError): FailureDocument {
  return { error: { code: error.code, message: error.message, remedy: error.remedy, params: error.params } };
}

export function failureText(error: SlipwayError, style: Style): string {
  const stack = error.code === 'INTERNAL' && error.cause instanceof Error ? (error.cause.stack ?? '') : '';
  return [
    `${style.red(style.bold(error.code))}: ${error.message}`,
    `${style.bold('fix')}: ${wrap(error.remedy, style.width - 5, '     ')}`,
    ...(stack === '' ? [] : [style.dim(stack)]),
  ].join('\n');
}
