/** A body that is not JSON, to the inputs of the model, whichever of the forms it has. */
import { LIMITS, type Signature, type Tensors } from '@slipway/core';
import { type BodyFormat, parseMediaType } from '../http/media-types.ts';
import { readArrowBody } from './arrow-read.ts';
import { readCsvBody } from './csv.ts';
import { readNpyBody, readNpzBody } from './numpy.ts';
import { readRawBody } from './raw.ts';
import { readTextBody } from './text.ts';

/** What is needed to read it, and can go to another thread. */
export interface BodyTask {
  readonly format: Exclude<BodyFormat, 'json'>;
  /** The header, for its parameters. */
  readonly contentType: string;
  /** Of raw bytes, when the client gives it: `2,3`. */
  readonly shape: string | null;
  readonly signature: Signature;
}

/** @throws REQUEST_MALFORMED, TENSOR_INVALID; so does the promise, where there is one */
export function readContent(body: Buffer, task: BodyTask): Tensors | Promise<Tensors> {
  const { format, signature, contentType } = task;
  switch (format) {
    case 'npy':
      return readNpyBody(body, signature);
    case 'npz':
      return readNpzBody(body, signature, LIMITS.maxBodyBytes);
    case 'arrow':
      return readArrowBody(body, signature);
    case 'csv':
      return readCsvBody(body, signature, parseMediaType(contentType));
    case 'raw':
      return readRawBody(body, signature, task.shape);
    case 'multipart':
      // Few clients send this; its parser is loaded for the first that does.
      return import('./multipart.ts').then(({ readMultipartBody }) => readMultipartBody(body, signature, contentType));
    case 'image':
      return readTextBody(body, signature, 'an image');
    case 'text':
      return readTextBody(body, signature, 'text/plain');
  }
}
