/**
 * A constant tensor: an initializer of a graph or a tensor attribute of a node.
 *
 * The elements stay in whatever form the file has them (`data.kind`), so that an untouched tensor is written
 * back as it was and a gigabyte of weights is never copied to be looked at. `elements.ts` reads all forms.
 */
import { bytesOf, type Tensor, textsOf } from '@slipway/core';
import type { TensorProto } from '../generated/onnx_pb.ts';
import type { OnnxDType } from './dtype.ts';

/**
 * Little-endian elements, packed below 8 bits: a view over the model file, what a pass computed, or bytes that are read from
 * a file of ours each time they are asked for (`external/stored.ts`). So ask once, and ask for the length by `rawLength`.
 */
export interface RawData {
  readonly kind: 'raw';
  readonly bytes: Uint8Array;
  /** Given where `bytes` are not held. */
  readonly size?: number;
}
/** Elements in one of the typed fields of the format. Which field a dtype uses is fixed by the format. */
export interface FieldData {
  readonly kind: 'field';
  readonly field: 'floatData' | 'int32Data' | 'int64Data' | 'doubleData' | 'uint64Data';
  readonly values: readonly number[] | readonly bigint[];
}
/** Elements of a string tensor, UTF-8 by convention. */
export interface StringData {
  readonly kind: 'strings';
  readonly values: readonly Uint8Array[];
}
/** A range of another file. Nothing is read, and nothing about the file is believed, before it is asked for. */
export interface ExternalData {
  readonly kind: 'external';
  readonly location: string;
  readonly offset: number;
  /** null: everything from `offset` that the shape asks for. */
  readonly length: number | null;
  readonly checksum: string | null;
  /** The folder the location is relative to; null when the model did not come from a file. */
  readonly directory: string | null;
}

export type TensorData = RawData | FieldData | StringData | ExternalData;

export interface Initializer {
  readonly name: string;
  readonly dtype: OnnxDType;
  readonly dims: readonly number[];
  readonly data: TensorData;
  readonly origin: TensorProto | null;
}

export function createInitializer(
  name: string,
  dtype: OnnxDType,
  dims: readonly number[],
  data: TensorData | Uint8Array,
): Initializer {
  const form: TensorData = data instanceof Uint8Array ? { kind: 'raw', bytes: data } : data;
  return Object.freeze({ name, dtype, dims: Object.freeze([...dims]), data: Object.freeze(form), origin: null });
}

/** An initializer that holds `value`, sharing its memory. */
export function initializerOf(name: string, value: Tensor): Initializer {
  if (value.dtype === 'string') {
    const values = textsOf(value).map((text) => new TextEncoder().encode(text));
    return createInitializer(name, 'string', value.shape, { kind: 'strings', values });
  }
  return createInitializer(name, value.dtype, value.shape, { kind: 'raw', bytes: bytesOf(value.data) });
}

/** Length of raw data, without reading it. */
export function rawLength(data: RawData): number {
  return data.size ?? data.bytes.byteLength;
}

export function isExternal(initializer: Initializer): initializer is Initializer & { readonly data: ExternalData } {
  return initializer.data.kind === 'external';
}
