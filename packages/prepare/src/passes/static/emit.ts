/**
 * Writes a plan into the graph, in the form ONNX Runtime turns into integer kernels: around each step, inputs that
 * were quantized and dequantized, constants stored quantized with a DequantizeLinear, and a bias of 32 bits.
 *
 *     x → QuantizeLinear → DequantizeLinear ┐
 *     W (int8)           → DequantizeLinear ┼→ Conv → QuantizeLinear → DequantizeLinear → …
 *     b (int32)          → DequantizeLinear ┘
 *
 * A tensor is quantized once, whoever reads it. A value that a step computes is only read in its quantized form, or the
 * kernel could not be fused; a value from outside keeps its float form for readers outside.
 */
import { fail, type PassName } from '@slipway/core';
import { createNode, type Graph, type GraphEditor, type Node } from '@slipway/onnx';
import { type Affine, affineOf, QUANTIZED, type QuantizedDType } from '../affine.ts';
import { store, storeIntegers } from '../constants.ts';
import type { Scope } from '../dynamic/scope.ts';
import type { Range } from '../calibrate/range.ts';
import type { StaticPlan, Step } from './plan.ts';
import type { Scheme } from './scheme.ts';
import { ConstantEmitter } from './weights.ts';

/** @param graph the graph the plan was made for, which the editor of `scope` edits */
export function emitStatic(
  scope: Scope,
  graph: Graph,
  plan: StaticPlan,
  ranges: ReadonlyMap<string, Range>,
  pass: PassName,
  scheme: Scheme,
): void {
  const { editor } = scope;
  const affines = new Map<string, Affine>();
  const affine = (tensor: string): Affine => {
    const root = plan.ranges.get(tensor) ?? tensor;
    let known = affines.get(root);
    if (known === undefined) {
      const range = ranges.get(root);
      if (range === undefined) throw fail('INTERNAL', { problem: `tensor "${root}" was not calibrated` });
      known = affineOf(range.min, range.max, scheme.activations, scheme.symmetricActivations);
      affines.set(root, known);
    }
    return known;
  };

  const constants = new ConstantEmitter(scope, graph, pass, scheme);
  for (const step of plan.steps) {
    if (step.activation !== null) absorb(editor, step);
    if (step.product !== null) constants.product(step.product, (tensor) => affine(tensor).scale);
    for (const input of step.constants) constants.operand(step.node, input);
  }
  for (const product of plan.storage) constants.storage(product);
  const computed = new Set(plan.steps.flatMap(({ outputs }) => outputs));
  const readers = new Map<string, Node[]>();
  for (const { reads, node } of plan.steps) {
    for (const tensor of reads) readers.set(tensor, [...(readers.get(tensor) ?? []), node]);
  }
  const parameters = new Map<string, { readonly scale: string; readonly zeroPoint: string }>();
  for (const [tensor, root] of plan.ranges) {
    let stored = parameters.get(root);
    if (stored === undefined) {
      stored = storeAffine(editor, root, affine(root), scheme.activations);
      parameters.set(root, stored);
    }
    const planned = readers.get(tensor) ?? [];
    if (scheme.placement === 'inputs') {
      // A pair for each reader, or the engine could not fuse it with the reader.
      for (const reader of planned) emitPair(editor, tensor, stored, false, (node) => editor.current(reader) === node);
      continue;
    }
    const reads = (node: Node): boolean =>
      computed.has(tensor) || planned.some((reader) => editor.current(reader) === node);
    emitPair(editor, tensor, stored, computed.has(tensor), reads);
  }
}

/** The activation goes; the step computes its output. */
function absorb(editor: GraphEditor, { node, activation, outputs }: Step): void {
  if (activation === null) return;
  editor.remove(activation);
  editor.update(node, { outputs });
}

function storeAffine(
  editor: GraphEditor,
  tensor: string,
  { scale, zeroPoint }: Affine,
  dtype: QuantizedDType,
): { scale: string; zeroPoint: string } {
  return {
    scale: store(editor, `${tensor}_scale`, { dtype: 'float32', shape: [], data: Float32Array.of(scale) }),
    zeroPoint: storeIntegers(editor, `${tensor}_zero_point`, dtype, [], QUANTIZED[dtype].array.of(zeroPoint)),
  };
}

/** QuantizeLinear and DequantizeLinear after whatever makes `tensor`. */
function emitPair(
  editor: GraphEditor,
  tensor: string,
  { scale, zeroPoint }: { scale: string; zeroPoint: string },
  isComputed: boolean,
  reads: (node: Node) => boolean,
): void {
  const producer = editor.producer(tensor);
  const isOutput = isComputed && editor.isOutput(tensor);
  const source = isOutput ? editor.uniqueName(`${tensor}_float`) : tensor;
  const quantized = editor.uniqueName(`${tensor}_quantized`);
  const dequantized = isOutput ? tensor : editor.uniqueName(`${tensor}_dequantized`);
  if (isOutput && producer !== undefined) {
    editor.update(producer, { outputs: producer.outputs.map((name) => (name === tensor ? source : name)) });
  } else {
    editor.replaceUses(tensor, dequantized, reads);
  }
  const named = (suffix: string): { name: string } => ({ name: editor.uniqueNodeName(`${tensor}_${suffix}`) });
  const pair = [
    createNode('QuantizeLinear', [source, scale, zeroPoint], [quantized], named('QuantizeLinear')),
    createNode('DequantizeLinear', [quantized, scale, zeroPoint], [dequantized], named('DequantizeLinear')),
  ];
  const made = producer === undefined ? undefined : editor.current(producer);
  const first = editor.nodes[0];
  if (made !== undefined) editor.insertAfter(made, ...pair);
  else if (first !== undefined) editor.insertBefore(first, ...pair);
}
