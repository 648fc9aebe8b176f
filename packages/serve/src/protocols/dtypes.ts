/** What each protocol calls the dtypes. */
import type { DType } from '@slipway/core';

/** Open Inference Protocol. */
export const OIP_DATATYPE = {
  bool: 'BOOL',
  uint8: 'UINT8',
  uint16: 'UINT16',
  uint32: 'UINT32',
  uint64: 'UINT64',
  int8: 'INT8',
  int16: 'INT16',
  int32: 'INT32',
  int64: 'INT64',
  float16: 'FP16',
  float32: 'FP32',
  float64: 'FP64',
  string: 'BYTES',
} as const satisfies Record<DType, string>;

/** TensorFlow, as in types.proto. */
export const TENSORFLOW_DTYPE = {
  bool: 'DT_BOOL',
  uint8: 'DT_UINT8',
  uint16: 'DT_UINT16',
  uint32: 'DT_UINT32',
  uint64: 'DT_UINT64',
  int8: 'DT_INT8',
  int16: 'DT_INT16',
  int32: 'DT_INT32',
  int64: 'DT_INT64',
  float16: 'DT_HALF',
  float32: 'DT_FLOAT',
  float64: 'DT_DOUBLE',
  string: 'DT_STRING',
} as const satisfies Record<DType, string>;

const BY_OIP: ReadonlyMap<string, DType> = new Map(
  (Object.entries(OIP_DATATYPE) as [DType, string][]).map(([dtype, name]) => [name, dtype]),
);

export function dtypeOfDatatype(datatype: string): DType | undefined {
  return BY_OIP.get(datatype);
}
