/** What the documents of all protocols are made of. */
import type { Signature } from '@slipway/core';
import type { Example } from './example.ts';
import type { Schema } from './schema.ts';

/** A served model, as documentation sees it. */
export interface Described {
  readonly model: string;
  readonly version: number;
  /** What clients send and get. */
  readonly signature: Signature;
  readonly example: Example | null;
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
