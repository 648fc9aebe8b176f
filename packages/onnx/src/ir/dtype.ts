/**
 * The element types ONNX has: a superset of what the rest of the product feeds to a model (`DType` in core), because a
 * model may hold weights of types that no input can have. One table: the code in the file and the bits per element.
 */
import { type DType, isDType } from '@slipway/core';

interface Row {
  /** TensorProto.DataType */
  readonly code: number;
  /** Bits of one element in raw_data; 0 where an element has no fixed size. Below 8, elements are packed. */
  readonly bits: number;
}

export const ONNX_DTYPES = {
  undefined: { code: 0, bits: 0 },
  float32: { code: 1, bits: 32 },
  uint8: { code: 2, bits: 8 },
  int8: { code: 3, bits: 8 },
  uint16: { code: 4, bits: 16 },
  int16: { code: 5, bits: 16 },
  int32: { code: 6, bits: 32 },
  int64: { code: 7, bits: 64 },
  string: { code: 8, bits: 0 },
  bool: { code: 9, bits: 8 },
  float16: { code: 10, bits: 16 },
  float64: { code: 11, bits: 64 },
  uint32: { code: 12, bits: 32 },
  uint64: { code: 13, bits: 64 },
  complex64: { code: 14, bits: 64 },
  complex128: { code: 15, bits: 128 },
  bfloat16: { code: 16, bits: 16 },
  float8e4m3fn: { code: 17, bits: 8 },
  float8e4m3fnuz: { code: 18, bits: 8 },
  float8e5m2: { code: 19, bits: 8 },
  float8e5m2fnuz: { code: 20, bits: 8 },
  uint4: { code: 21, bits: 4 },
  int4: { code: 22, bits: 4 },
  float4e2m1: { code: 23, bits: 4 },
  float8e8m0: { code: 24, bits: 8 },
  uint2: { code: 25, bits: 2 },
  int2: { code: 26, bits: 2 },
  float6e2m3: { code: 27, bits: 6 },
  float6e3m2: { code: 28, bits: 6 },
} as const satisfies Record<string, Row> & Record<DType, Row>;

export type OnnxDType = keyof typeof ONNX_DTYPES;

const BY_CODE: ReadonlyMap<number, OnnxDType> = new Map(
  (Object.entries(ONNX_DTYPES) as [OnnxDType, Row][]).map(([name, row]) => [row.code, name]),
);

/** The dtype with this TensorProto.DataType code; undefined for a code this schema does not have. */
export function dtypeFromCode(code: number): OnnxDType | undefined {
  return BY_CODE.get(code);
}

export function dtypeCode(dtype: OnnxDType): number {
  return ONNX_DTYPES[dtype].code;
}

/** Bytes of `count` elements as raw_data holds them, sub-byte types packed; NaN for types without a fixed size. */
export function rawByteLength(dtype: OnnxDType, count: number): number {
  const { bits } = ONNX_DTYPES[dtype];
  return bits === 0 ? NaN : bits < 8 ? Math.ceil((count * bits) / 8) : count * (bits / 8);
}

/** The dtype as one that inputs and outputs can have, or undefined. */
export function asFeedable(dtype: OnnxDType): DType | undefined {
  return isDType(dtype) ? dtype : undefined;
}
