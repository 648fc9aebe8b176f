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
import {
  createNode,
  getFloat,
  getInt,
  type Graph,
  type GraphEditor,
  intAttribute,
  type Node,
  withAttributes,
} from '@slipway/onnx';
import {
  type Affine,
  affineOf,
  biasScaleFloor,
  QUANTIZED,
  type QuantizedDType,
  quantizeArray,
  quantizeBias,
} from '../affine.ts';
import { store, type StoredConstant, storeIntegers, storeQuantized } from '../constants.ts';
import { readFinite, readFloat32 } from '../weights.ts';
import type { Range } from '../calibrate/calibrate.ts';
import { activationsOf, gemmBias, type StaticPlan, type Step } from './plan.ts';
import type { Scheme } from './scheme.ts';

export interface EmitOptions extends Scheme {
  readonly pass: PassName;
}

/** @param graph the graph the plan was made for, which `editor` edits */
export function emitStatic(
  editor: GraphEditor,
  graph: Graph,
  plan: StaticPlan,
  ranges: ReadonlyMap<string, Range>,
  options: EmitOptions,
): void {
  const affines = new Map<string, Affine>();
  const affine = (tensor: string): Affine => {
    const root = plan.ranges.get(tensor) ?? tensor;
    let known = affines.get(root);
    if (known === undefined) {
      const range = ranges.get(root);
      if (range === undefined) throw fail('INTERNAL', { problem: `tensor "${root}" was not calibrated` });
      known = affineOf(range.min, range.max, options.activations, options.symmetricActivations);
      affines.set(root, known);
    }
    return known;
  };

  const weights = new Map<string, { readonly dequantized: string; readonly scales: Float32Array }>();
  for (const step of plan.steps) {
    if (step.activation !== null) absorb(editor, step);
    if (step.kind === 'product') emitConstants(editor, graph, step.node, affine, weights, options);
  }
  const computed = new Set(plan.steps.map(({ output }) => output));
  const members = new Set(plan.steps.map(({ node }) => editor.current(node)));
  const parameters = new Map<string, { readonly scale: string; readonly zeroPoint: string }>();
  for (const [tensor, root] of plan.ranges) {
    let stored = parameters.get(root);
    if (stored === undefined) {
      stored = storeAffine(editor, root, affine(root), options.activations);
      parameters.set(root, stored);
    }
    const reads = (node: Node): boolean => computed.has(tensor) || members.has(node);
    emitPair(editor, tensor, stored, computed.has(tensor), reads);
  }
}

/** The activation goes; the step computes its output. */
function absorb(editor: GraphEditor, { node, activation, output }: Step): void {
  if (activation === null) return;
  editor.remove(activation);
  editor.update(node, { outputs: [output] });
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

/** Weight and bias of a product, quantized. */
function emitConstants(
  editor: GraphEditor,
  graph: Graph,
  planned: Node,
  affine: (tensor: string) => Affine,
  weights: Map<string, { readonly dequantized: string; readonly scales: Float32Array }>,
  { pass, weights: dtype, perChannel, reduceRange, symmetricWeights }: EmitOptions,
): void {
  const [input = '', weightName = '', biasName = ''] = planned.inputs;
  const initializer = graph.initializers.get(weightName);
  const node = editor.current(planned);
  if (initializer === undefined || node === undefined) return;
  const inputScale = affine(activationsOf(planned, graph)[0] ?? input).scale;
  const alpha = planned.op === 'Gemm' ? getFloat(planned, 'alpha', 1) : 1;
  const axis = channelAxis(planned);
  const channels = initializer.dims[axis] ?? 1;
  const bias = biasOf(planned, graph);

  const floor = bias === null ? null : biasScaleFloor(bias, inputScale, perChannel ? channels : 1);
  const stored = readFinite(pass, initializer);
  const values = alpha === 1 ? stored : stored.map((value) => value * alpha);
  const how = { reduceRange, ...(symmetricWeights === undefined ? {} : { symmetric: symmetricWeights }) };
  const plain = quantizeArray(values, initializer.dims, perChannel ? axis : null, dtype, how);
  const isRaised = floor?.some((least, channel) => (plain.scales[channel] ?? 0) < least) ?? false;
  const key = `${weightName}|${axis}|${alpha}${isRaised ? `|${node.outputs[0] ?? ''}` : ''}`;
  let weight = weights.get(key);
  if (weight === undefined) {
    const quantized =
      isRaised && floor !== null
        ? quantizeArray(values, initializer.dims, perChannel ? axis : null, dtype, { ...how, atLeast: floor })
        : plain;
    const constants = storeQuantized(editor, weightName, initializer.dims, quantized);
    weight = { dequantized: dequantize(editor, weightName, constants, node), scales: quantized.scales };
    weights.set(key, weight);
  }

  const inputs = [node.inputs[0] ?? '', weight.dequantized];
  if (bias !== null) {
    const { data, scales } = quantizeBias(bias, inputScale, weight.scales);
    const base = biasName === '' ? weightName : biasName;
    const constants = {
      quantized: store(editor, `${base}_quantized`, { dtype: 'int32', shape: [data.length], data }),
      scale: store(editor, `${base}_scale`, {
        dtype: 'float32',
        shape: perChannel ? [scales.length] : [],
        data: scales,
      }),
      zeroPoint: '',
      axis: perChannel ? 0 : null,
    };
    inputs.push(dequantize(editor, base, constants, node));
  }
  // Alpha and beta are in the constants now.
  const { attributes } = withAttributes(node, [], node.op === 'Gemm' ? ['alpha', 'beta'] : []);
  editor.update(node, { inputs, attributes });
}

function dequantize(editor: GraphEditor, base: string, stored: StoredConstant, before: Node): string {
  const output = editor.uniqueName(`${base}_dequantized`);
  const inputs = [stored.quantized, stored.scale, ...(stored.zeroPoint === '' ? [] : [stored.zeroPoint])];
  const attributes = stored.axis === null ? [] : [intAttribute('axis', stored.axis)];
  const name = editor.uniqueNodeName(`${base}_DequantizeLinear`);
  editor.insertBefore(before, createNode('DequantizeLinear', inputs, [output], { name, attributes }));
  return output;
}

/** The axis of the weight along which the output channels lie. */
function channelAxis(node: Node): number {
  if (node.op === 'Conv') return 0;
  return node.op === 'Gemm' && getInt(node, 'transB', 0) !== 0 ? 0 : 1;
}

function biasOf(node: Node, graph: Graph): Float32Array | null {
  if (node.op === 'Gemm') {
    const beta = getFloat(node, 'beta', 1);
    return gemmBias(node, graph)?.map((value) => value * beta) ?? null;
  }
  const bias = node.op === 'Conv' ? graph.initializers.get(node.inputs[2] ?? '') : undefined;
  return bias === undefined ? null : readFloat32(bias);
}
