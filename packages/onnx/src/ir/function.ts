/** A model-local function: an operator defined by a graph of other operators. */
import type { FunctionProto } from '../generated/onnx_pb.ts';
import type { Node } from './node.ts';

export interface ModelFunction {
  readonly name: string;
  readonly domain: string;
  readonly overload: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly nodes: readonly Node[];
  readonly opsets: ReadonlyMap<string, number>;
  readonly origin: FunctionProto;
}
