/** What the documents of all protocols are made of. */
import { type Signature, type Tensor, tensorToJson } from '@slipway/core';
import type { Example } from './example.ts';
import type { Schema } from './schema.ts';

/** A served model, as documentation sees it. */
export interface Described {
  readonly model: string;
  readonly version: number;
  /** What clients send and get. */
  readonly signature: Signature;
  /** Inputs that are the bytes of an image file. */
  readonly images: readonly string[];
  readonly example: Example | null;
}

/** For protocols whose JSON has no way to say bytes: null when the example has some. */
export function textExample(example: Example | null): Example | null {
  const isText = ({ data }: Tensor): boolean =>
    !Array.isArray(data) || data.every((element) => typeof element === 'string');
  return example !== null && Object.values(example.inputs).every(isText) ? example : null;
}

/** As JSON, with bytes as `{"b64": …}`, one for each row. */
export function base64Json(value: Tensor): unknown {
  if (value.dtype !== 'string' || value.data.every((element) => typeof element === 'string')) {
    return tensorToJson(value);
  }
  return value.data.map((element) => ({ b64: Buffer.from(element).toString('base64') }));
}

/** One method of one path. */
export interface Operation {
  readonly path: string;
  readonly method: 'get' | 'post' | 'put' | 'delete' | 'options';
  /** Unique in the document. */
  readonly id: string;
  readonly tag: string;
  readonly summary: string;
  readonly description?: string;
  /** The JSON of the body; absent when there is none. */
  readonly request?: { readonly schema: Schema; readonly example?: unknown; readonly required?: boolean };
  /** The JSON of the answer; null when its body is empty. */
  readonly answer: Schema | null;
  /** Errors that are not in the shape of all others. */
  readonly errors?: 'TorchServeError';
  /** Tensors go in and out: every content type, every error. */
  readonly infers: boolean;
}

/** The operations of one protocol. */
export interface Protocol {
  readonly tag: string;
  readonly description: string;
  /** Of the server as a whole. */
  server(): readonly Operation[];
  model(of: Described): readonly Operation[];
}
