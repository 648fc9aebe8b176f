/**
 * Rewrites a model in a newer version of the standard operator set, one version at a time, in the main graph and every
 * subgraph. Fails closed: an operator whose history was not examined, or a form that has no equivalent, is an error
 * that names the node, and the model is left as it was.
 */
import { fail, numbersToFloat16 } from '@slipway/core';
import { GraphEditor } from '../graph/editor.ts';
import { mapGraphs } from '../graph/map-graphs.ts';
import { allNames, subgraphsOf } from '../graph/scope.ts';
import { inferShapes } from '../infer/infer.ts';
import type { OnnxDType } from '../ir/dtype.ts';
import type { Graph } from '../ir/graph.ts';
import { createInitializer } from '../ir/initializer.ts';
import { type Model, opsetOf, withModel } from '../ir/model.ts';
import { describeNode, type Node } from '../ir/node.ts';
import { isTensorType, type ValueType } from '../ir/type.ts';
import { ADAPTERS, type AdapterTools, EXAMINED, LEGACY_ATTRIBUTES, NEWEST_OPSET, OLDEST_OPSET } from './adapters.ts';

/** The oldest IR version whose files may use an operator set version of the standard domain. */
export function irVersionFor(opset: number): number {
  const table: readonly (readonly [opset: number, ir: number])[] = [
    [25, 13],
    [24, 12],
    [23, 11],
    [21, 10],
    [19, 9],
    [15, 8],
    [12, 7],
    [11, 6],
    [10, 5],
    [9, 4],
  ];
  return table.find(([from]) => opset >= from)?.[1] ?? 3;
}

/**
 * `model` in operator set `target`, or as it is when it is there already.
 * @throws UNSUPPORTED_OPSET, UNSUPPORTED_OPERATOR
 */
export function upgradeOpset(model: Model, target: number, path = 'model'): Model {
  const from = opsetOf(model);
  if (from >= target) return model;
  if (from < OLDEST_OPSET || target > NEWEST_OPSET) {
    const opset = from < OLDEST_OPSET ? from : target;
    throw fail('UNSUPPORTED_OPSET', { path, opset, domain: 'ai.onnx', newest: NEWEST_OPSET });
  }
  refuseUnexamined(model.graph, from);
  const { values: types } = inferShapes(model);
  let upgraded = model;
  for (let version = from + 1; version <= target; version++) {
    if (!Object.values(ADAPTERS).some((versions) => version in versions)) continue;
    upgraded = mapGraphs(upgraded, (graph, { outer }) => step(graph, outer, version, types));
  }
  const irVersion = Math.max(upgraded.irVersion, irVersionFor(target));
  return withModel(upgraded, { irVersion, opsets: new Map(model.opsets).set('', target) });
}

function refuseUnexamined(graph: Graph, from: number): void {
  for (const node of graph.nodes) {
    for (const inner of subgraphsOf(node)) refuseUnexamined(inner, from);
    if (node.domain !== '') continue;
    const refuse = (problem: string): Error =>
      fail('UNSUPPORTED_OPERATOR', { where: describeNode(node), operator: node.op, problem });
    if (!EXAMINED.has(node.op)) throw refuse('it is not known how it changed between operator sets');
    for (const [name, end] of Object.entries(LEGACY_ATTRIBUTES)) {
      if (from >= end && node.attributes.has(name)) {
        throw refuse(`attribute "${name}" belongs to an operator set before ${end}`);
      }
    }
  }
}

function step(graph: Graph, outer: ReadonlySet<string>, version: number, types: ReadonlyMap<string, ValueType>): Graph {
  const affected = graph.nodes.filter((node) => node.domain === '' && ADAPTERS[node.op]?.[version] !== undefined);
  if (affected.length === 0) return graph;
  const editor = new GraphEditor(graph, [...outer, ...allNames(graph)]);
  const tools = toolsFor(editor, types);
  for (const node of affected) {
    const replacement = ADAPTERS[node.op]?.[version]?.(node, tools);
    if (replacement === undefined) continue;
    if (typeof replacement === 'string') {
      const problem = `no equivalent in operator set ${version}: ${replacement}`;
      throw fail('UNSUPPORTED_OPERATOR', { where: describeNode(node), operator: node.op, problem });
    }
    put(editor, node, replacement);
  }
  return editor.finish();
}

function put(editor: GraphEditor, node: Node, replacement: readonly Node[]): void {
  if (replacement.length !== 1 || replacement[0] !== node) editor.replace(node, ...replacement);
}

function toolsFor(editor: GraphEditor, types: ReadonlyMap<string, ValueType>): AdapterTools {
  const tensor = (name: string): ValueType | undefined => types.get(name);
  const lists = new Map<string, string>();
  return {
    isUsed: (name) => editor.isOutput(name) || editor.consumers(name).length > 0,
    dtype(name) {
      const type = tensor(name);
      return isTensorType(type) ? type.dtype : undefined;
    },
    shape(name) {
      const type = tensor(name);
      return isTensorType(type) ? type.shape : null;
    },
    integers(base, values) {
      const known = lists.get(values.join());
      if (known !== undefined) return known;
      const name = editor.uniqueName(base);
      lists.set(values.join(), name);
      const bytes = new Uint8Array(BigInt64Array.from(values, BigInt).buffer);
      editor.setInitializer(createInitializer(name, 'int64', [values.length], bytes));
      return name;
    },
    floats(base, values, dtype, rank) {
      const name = editor.uniqueName(base);
      editor.setInitializer(
        createInitializer(name, dtype, rank === 0 ? [] : [values.length], floatBytes(values, dtype)),
      );
      return name;
    },
    name: (base) => editor.uniqueName(base),
  };
}

function floatBytes(values: readonly number[], dtype: OnnxDType): Uint8Array {
  const array =
    dtype === 'float64'
      ? Float64Array.from(values)
      : dtype === 'float16'
        ? numbersToFloat16(values)
        : Float32Array.from(values);
  return new Uint8Array(array.buffer);
}
