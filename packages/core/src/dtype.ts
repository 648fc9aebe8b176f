/**
 * The element types a tensor can have here: those that ONNX Runtime's Node binding can feed and return.
 * Every other table about dtypes (protocol names, ONNX enum values, byte sizes) is derived from `DTYPES`,
 * so that a new dtype does not compile until all of them know it.
 */

export const DTYPES = [
  'bool',
  'uint8',
  'uint16',
  'uint32',
  'uint64',
  'int8',
  'int16',
  'int32',
  'int64',
  'float16',
  'float32',
  'float64',
  'string',
] as const;

export type DType = (typeof DTYPES)[number];

/**
 * An element of a string tensor: text, or bytes where they are not UTF-8, such as an image file. Bytes that are UTF-8 are always
 * a string, so equal contents are equal elements. An engine takes text only; bytes end at a transform that reads them.
 */
export type StringElement = string | Uint8Array;

/** What holds the elements. float16 is its 16 bits, bool is one byte 0 or 1. */
export interface DataOf {
  bool: Uint8Array;
  uint8: Uint8Array;
  uint16: Uint16Array;
  uint32: Uint32Array;
  uint64: BigUint64Array;
  int8: Int8Array;
  int16: Int16Array;
  int32: Int32Array;
  int64: BigInt64Array;
  float16: Uint16Array;
  float32: Float32Array;
  float64: Float64Array;
  string: StringElement[];
}

export type NumericDType = Exclude<DType, 'string'>;
export type NumericData = DataOf[NumericDType];

/** Bytes per element; 0 for string, whose elements have no fixed size. */
export const BYTES_PER_ELEMENT: Readonly<Record<DType, number>> = {
  bool: 1,
  uint8: 1,
  uint16: 2,
  uint32: 4,
  uint64: 8,
  int8: 1,
  int16: 2,
  int32: 4,
  int64: 8,
  float16: 2,
  float32: 4,
  float64: 8,
  string: 0,
};

type ArrayConstructor<D extends NumericDType> = {
  new (length: number): DataOf[D];
  new (buffer: ArrayBufferLike, byteOffset: number, length: number): DataOf[D];
};

export const ARRAY_OF: { readonly [D in NumericDType]: ArrayConstructor<D> } = {
  bool: Uint8Array,
  uint8: Uint8Array,
  uint16: Uint16Array,
  uint32: Uint32Array,
  uint64: BigUint64Array,
  int8: Int8Array,
  int16: Int16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  float16: Uint16Array,
  float32: Float32Array,
  float64: Float64Array,
};

export function isDType(value: unknown): value is DType {
  return (DTYPES as readonly unknown[]).includes(value);
}
