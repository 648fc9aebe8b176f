/** What the Open Inference Protocol calls the dtypes: here, because both its server and its client need it. */
import type { DType } from './dtype.ts';

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

const DTYPE_OF: ReadonlyMap<string, DType> = new Map(
  (Object.entries(OIP_DATATYPE) as [DType, string][]).map(([dtype, name]) => [name, dtype]),
);

export function dtypeOfDatatype(datatype: string): DType | undefined {
  return DTYPE_OF.get(datatype);
}
