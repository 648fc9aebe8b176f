/** The declared name and type of a value: an input, an output, or what a tool noted about something in between. */
import type { ValueInfoProto } from '../generated/onnx_pb.ts';
import { type Shape, tensorType, type ValueType } from './type.ts';
import type { OnnxDType } from './dtype.ts';

export interface ValueInfo {
  readonly name: string;
  /** null: declared without a type. */
  readonly type: ValueType | null;
  readonly origin: ValueInfoProto | null;
}

export function createValueInfo(name: string, type: ValueType | null): ValueInfo {
  return Object.freeze({ name, type, origin: null });
}

/** Shorthand for the usual case. */
export function tensorInfo(name: string, dtype: OnnxDType, shape: Shape | null): ValueInfo {
  return createValueInfo(name, tensorType(dtype, shape));
}
