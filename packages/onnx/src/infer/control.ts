/** Control flow: the types of If, Loop and Scan follow from those inside their subgraphs. */
import type { Graph } from '../ir/graph.ts';
import { getGraph, getInt, getInts, type Node } from '../ir/node.ts';
import { isTensorType, type Shape, tensorType, type ValueType } from '../ir/type.ts';
import { CannotInfer, type NodeContext, normalAxis } from './context.ts';

export interface GraphInference {
  infer(graph: Graph, given: ReadonlyMap<string, ValueType>): void;
  type(name: string): ValueType | null;
}

export const CONTROL_OPERATORS: readonly string[] = ['If', 'Loop', 'Scan'];

export function isControl(node: Node): boolean {
  return node.domain === '' && CONTROL_OPERATORS.includes(node.op);
}

export function controlTypes(c: NodeContext, inference: GraphInference): readonly (ValueType | null)[] {
  if (c.node.op === 'If') return ifTypes(c, inference);
  return c.node.op === 'Loop' ? loopTypes(c, inference) : scanTypes(c, inference);
}

function body(c: NodeContext, name: string): Graph {
  const graph = getGraph(c.node, name);
  if (graph === undefined) throw new CannotInfer(`attribute "${name}" is missing`);
  return graph;
}

/** What both types say: dimensions on which they differ are unknown. */
function common(a: ValueType | null, b: ValueType | null): ValueType | null {
  if (!isTensorType(a) || !isTensorType(b) || a.dtype !== b.dtype) return null;
  const [left, right] = [a.shape, b.shape];
  if (left === null || right?.length !== left.length) return tensorType(a.dtype, null);
  return tensorType(
    a.dtype,
    left.map((dim, axis) => (dim === right[axis] ? dim : '?')),
  );
}

function ifTypes(c: NodeContext, inference: GraphInference): (ValueType | null)[] {
  const branches = ['then_branch', 'else_branch'].map((name) => {
    const graph = body(c, name);
    inference.infer(graph, new Map());
    return graph.outputs.map((output) => inference.type(output.name) ?? output.type);
  });
  return c.node.outputs.map((_, index) => common(branches[0]?.[index] ?? null, branches[1]?.[index] ?? null));
}

const withDim = (type: ValueType | null, change: (shape: Shape) => Shape): ValueType | null =>
  isTensorType(type) ? tensorType(type.dtype, type.shape === null ? null : change(type.shape)) : null;

function loopTypes(c: NodeContext, inference: GraphInference): (ValueType | null)[] {
  const graph = body(c, 'body');
  const carried = c.node.inputs.length - 2;
  const given = new Map<string, ValueType>();
  graph.inputs.forEach(({ name, type }, index) => {
    if (index === 0) given.set(name, tensorType('int64', []));
    else if (index === 1) given.set(name, tensorType('bool', []));
    // The shape of a carried value may change from one iteration to the next: only its element type is safe.
    else {
      const initial = c.anyType(index);
      const known = type ?? (isTensorType(initial) ? tensorType(initial.dtype, null) : null);
      if (known !== null) given.set(name, known);
    }
  });
  inference.infer(graph, given);
  return c.node.outputs.map((_, index) => {
    const output = graph.outputs[index + 1];
    const inner = output === undefined ? null : (inference.type(output.name) ?? output.type);
    return index < carried ? common(c.anyType(index + 2), inner) : withDim(inner, (shape) => ['?', ...shape]);
  });
}

function scanTypes(c: NodeContext, inference: GraphInference): (ValueType | null)[] {
  if (c.opset < 9) throw new CannotInfer('Scan of operator set 8 is not understood');
  const graph = body(c, 'body');
  const scanned = getInt(c.node, 'num_scan_inputs', 0);
  const states = c.node.inputs.length - scanned;
  const inputAxes = getInts(c.node, 'scan_input_axes') ?? [];
  const outputAxes = getInts(c.node, 'scan_output_axes') ?? [];
  const given = new Map<string, ValueType>();
  let length: Shape[number] = '?';
  graph.inputs.forEach(({ name, type }, index) => {
    const outer = c.anyType(index);
    const known =
      index < states
        ? outer
        : withDim(outer, (shape) => {
            const axis = normalAxis(inputAxes[index - states] ?? 0, shape.length);
            length = shape[axis] ?? '?';
            return shape.toSpliced(axis, 1);
          });
    const best = known ?? type;
    if (best !== null) given.set(name, best);
  });
  inference.infer(graph, given);
  return c.node.outputs.map((_, index) => {
    const output = graph.outputs[index];
    const inner = output === undefined ? null : (inference.type(output.name) ?? output.type);
    if (index < states) return common(c.anyType(index), inner);
    return withDim(inner, (shape) =>
      shape.toSpliced(normalAxis(outputAxes[index - states] ?? 0, shape.length + 1), 0, length),
    );
  });
}
