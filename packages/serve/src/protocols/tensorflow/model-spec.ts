/** `tensorflow.serving.ModelSpec`: which model, which version, which signature a call is for; and how it is refused. */
import { fail, type SlipwayError } from '@slipway/core';
import type { Call } from '../../grpc/method.ts';
import type { ProtoReader } from '../../grpc/reader.ts';
import { ProtoWriter } from '../../grpc/writer.ts';
import { LATEST, type Selector, type ServedVersion } from '../gateway.ts';
import { servableWords } from './words.ts';

export interface ModelSpec {
  readonly model: string;
  readonly selector: Selector;
  /** As sent; empty for the default one. */
  readonly signature: string;
}

export const NO_SPEC: ModelSpec = { model: '', selector: LATEST, signature: '' };

export function readModelSpec(reader: ProtoReader): ModelSpec {
  let { model, selector, signature } = NO_SPEC;
  while (reader.next()) {
    if (reader.field === 1) model = reader.string();
    else if (reader.field === 2) selector = { kind: 'version', version: readInt64Value(reader.message()) };
    else if (reader.field === 3) signature = reader.string();
    else if (reader.field === 4) selector = { kind: 'label', label: reader.string() };
    else reader.skip();
  }
  return { model, selector, signature };
}

/** The spec, if it names a model. @throws REQUEST_MALFORMED */
export function named(spec: ModelSpec): ModelSpec {
  if (spec.model === '') throw fail('REQUEST_MALFORMED', { problem: 'Missing model name in request.' });
  return spec;
}

/** @param signature as the client named it; empty to say none, as metadata does */
export function writeModelSpec({ model, version }: ServedVersion, signature: string): ProtoWriter {
  const writer = new ProtoWriter().string(1, model).message(2, new ProtoWriter().int(1, version));
  return signature === '' ? writer : writer.string(3, signature);
}

/** Ends `call` with `error`, in TensorFlow Serving's words where it has some. */
export function refuse(
  call: Call,
  error: SlipwayError,
  { model, selector }: ModelSpec,
  wordsOf: typeof servableWords = servableWords,
): void {
  const words = wordsOf(error, model, selector);
  if (words === null) call.fail(error);
  else call.fail(error, words.unknownLabel ? 'INVALID_ARGUMENT' : 'NOT_FOUND', words.text);
}

function readInt64Value(reader: ProtoReader): number {
  let value = 0;
  while (reader.next()) {
    if (reader.field === 1) value = reader.int64();
    else reader.skip();
  }
  return value;
}
