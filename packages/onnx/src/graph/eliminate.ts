/**
 * Removes what a graph computes and nobody reads, and rewrites forms that stand in the way of passes.
 *
 * All of it is exact: outputs keep their names, order and values. Operators of ONNX have no side effects, so a node
 * whose outputs nobody reads can go, whatever it is.
 */
import { digestOf } from '@slipway/core';
import { rawBytes } from '../ir/elements.ts';
import type { Graph } from '../ir/graph.ts';
import { createInitializer, type Initializer } from '../ir/initializer.ts';
import type { Model } from '../ir/model.ts';
import { getFloat, getFloats, getInt, getInts, getTensor, isOp, type Node } from '../ir/node.ts';
import type { GraphEditor } from './editor.ts';
import { editGraphs, mapGraphs } from './map-graphs.ts';
import { readNames } from './scope.ts';

/**
 * Drops nodes, initializers and type notes that no output depends on. Inputs stay, they are the interface; but an
 * initializer that is unused and also listed as an input is dropped from both.
 */
export function eliminateDeadCode(model: Model): Model {
  return mapGraphs(model, eliminateDead);
}

function eliminateDead(graph: Graph): Graph {
  const live = new Set(graph.outputs.map((output) => output.name));
  const kept: Node[] = [];
  // Nodes are in topological order: walking backwards meets each value's readers before its producer.
  for (const node of [...graph.nodes].reverse()) {
    if (!node.outputs.some((name) => live.has(name))) continue;
    kept.push(node);
    for (const name of readNames(node)) live.add(name);
  }
  const dead = (name: string): boolean => !live.has(name);
  const made = new Set(kept.flatMap((node) => node.outputs));
  const unusedInitializers = [...graph.initializers.keys(), ...graph.sparseInitializers.keys()].filter(dead);
  const unusedNotes = [...graph.valueInfo.keys()].filter((name) => dead(name) && !made.has(name));
  if (kept.length === graph.nodes.length && unusedInitializers.length === 0 && unusedNotes.length === 0) return graph;
  const gone = new Set(unusedInitializers);
  const keep = <T>(map: ReadonlyMap<string, T>, drop: (name: string) => boolean): ReadonlyMap<string, T> =>
    new Map([...map].filter(([name]) => !drop(name)));
  const notes = new Set(unusedNotes);
  return Object.freeze({
    ...graph,
    nodes: Object.freeze(kept.reverse()),
    inputs: Object.freeze(graph.inputs.filter((input) => !gone.has(input.name))),
    initializers: keep(graph.initializers, (name) => gone.has(name)),
    sparseInitializers: keep(graph.sparseInitializers, (name) => gone.has(name)),
    valueInfo: keep(graph.valueInfo, (name) => notes.has(name)),
  });
}

/** Constant nodes become initializers, and Identity nodes go where names of outputs allow it. */
export function eliminateConstants(model: Model): Model {
  const edit = (editor: GraphEditor): void => {
    for (const node of editor.nodes) {
      if (isOp(node, 'Identity') && node.inputs.length === 1) editor.bypass(node);
      if (isOp(node, 'Constant')) constantToInitializer(editor, node);
    }
  };
  return editGraphs(model, edit, { concerned: (node) => isOp(node, 'Identity') || isOp(node, 'Constant') });
}

function constantToInitializer(editor: GraphEditor, node: Node): void {
  const [output = ''] = node.outputs;
  const value = constantValue(node);
  if (value === undefined || output === '' || editor.isOutput(output)) return;
  editor.remove(node);
  // An initializer's type is its own; a note about it could only contradict.
  editor.setType(output, null);
  editor.setInitializer(Object.freeze({ ...value, name: output }));
}

/** What a Constant node holds, in any of its forms; undefined for sparse values. */
export function constantValue(node: Node): Initializer | undefined {
  const int64 = (values: readonly number[], dims: readonly number[]): Initializer =>
    createInitializer('', 'int64', dims, { kind: 'field', field: 'int64Data', values: values.map(BigInt) });
  const float32 = (values: readonly number[], dims: readonly number[]): Initializer =>
    createInitializer('', 'float32', dims, { kind: 'field', field: 'floatData', values });
  const tensor = getTensor(node, 'value');
  if (tensor !== undefined) return tensor;
  const int = getInt(node, 'value_int');
  if (int !== undefined) return int64([int], []);
  const ints = getInts(node, 'value_ints');
  if (ints !== undefined) return int64(ints, [ints.length]);
  const float = getFloat(node, 'value_float');
  if (float !== undefined) return float32([float], []);
  const floats = getFloats(node, 'value_floats');
  if (floats !== undefined) return float32(floats, [floats.length]);
  const text = node.attributes.get('value_string');
  if (text?.kind === 'string') return createInitializer('', 'string', [], { kind: 'strings', values: [text.value] });
  const texts = node.attributes.get('value_strings');
  if (texts?.kind !== 'strings') return undefined;
  return createInitializer('', 'string', [texts.value.length], { kind: 'strings', values: texts.value });
}

/** One initializer where several hold the same bytes. Weights in external data are left alone: they are not read for this. */
export function deduplicateInitializers(model: Model): Model {
  return editGraphs(model, (editor) => {
    const known = new Map<string, string>();
    for (const [name, initializer] of editor.initializers) {
      const { kind } = initializer.data;
      if (kind === 'external' || kind === 'strings' || editor.isInput(name) || editor.isOutput(name)) continue;
      const key = `${initializer.dtype} ${initializer.dims.join()} ${digestOf(rawBytes(initializer))}`;
      const first = known.get(key);
      if (first === undefined) known.set(key, name);
      else {
        editor.replaceUses(name, first);
        editor.removeInitializer(name);
      }
    }
  });
}
