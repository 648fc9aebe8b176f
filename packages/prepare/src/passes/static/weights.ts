/**
 * Constants of quantized nodes: weights per channel, biases in 32 bits with the scale of the product they are added to, operands
 * of Add and Mul in the type of the activations. Each is stored once for all that read it in the same form.
 */
import type { PassName } from '@slipway/core';
import {
  createNode,
  getFloat,
  type Graph,
  type GraphEditor,
  type Initializer,
  intAttribute,
  type Node,
  withAttributes,
} from '@slipway/onnx';
import { biasScaleFloor, quantizeArray, quantizeBias, type QuantizedTensor } from '../affine.ts';
import { store, type StoredConstant, storeIntegers, storeQuantized } from '../constants.ts';
import type { Scope } from '../dynamic/scope.ts';
import { readFinite, readFloat32 } from '../weights.ts';
import { gemmBias, type Product, type ProductWeight } from './products.ts';
import type { Scheme } from './scheme.ts';

interface EmittedWeight {
  readonly dequantized: string;
  readonly scales: Float32Array;
}

export class ConstantEmitter {
  readonly #scope: Scope;
  readonly #editor: GraphEditor;
  readonly #graph: Graph;
  readonly #pass: PassName;
  readonly #scheme: Scheme;
  readonly #emitted = new Map<string, EmittedWeight>();

  /** @param graph the graph as it was planned, which the editor of `scope` edits; constants from around it included */
  constructor(scope: Scope, graph: Graph, pass: PassName, scheme: Scheme) {
    this.#scope = scope;
    this.#editor = scope.editor;
    this.#graph = graph;
    this.#pass = pass;
    this.#scheme = scheme;
  }

  /** Weight and bias of a product. @param scaleOf the scale of a quantized tensor */
  product({ node: planned, weight }: Product, scaleOf: (tensor: string) => number): void {
    const node = this.#editor.current(planned);
    const initializer = weight === null ? undefined : this.#graph.initializers.get(planned.inputs[weight.input] ?? '');
    if (weight === null || initializer === undefined || node === undefined) return;
    if (this.#scheme.placement === 'inputs') {
      this.#pairOnWeight(node, initializer, weight);
      return;
    }
    const inputScale = scaleOf(planned.inputs[1 - weight.input] ?? '');
    const bias = this.#bias(planned);
    const stored = this.#weight(node, initializer, weight, bias, inputScale);
    const inputs = node.inputs.slice(0, 2).with(weight.input, stored.dequantized);
    if (bias !== null) inputs.push(this.#storeBias(node, planned, bias, inputScale, stored.scales));
    // Alpha and beta are in the constants now.
    const { attributes } = withAttributes(node, [], node.op === 'Gemm' ? ['alpha', 'beta'] : []);
    this.#editor.update(node, { inputs, attributes });
  }

  /** The weight of a node that goes on computing in float. */
  storage({ node: planned, weight }: Product): void {
    const node = this.#editor.current(planned);
    const initializer = this.#graph.initializers.get(planned.inputs[weight?.input ?? 1] ?? '');
    if (weight === null || initializer === undefined || node === undefined) return;
    const { dequantized } = this.#weight(node, initializer, weight, null, 1);
    this.#editor.update(node, { inputs: node.inputs.with(weight.input, dequantized) });
  }

  /** A constant operand of a join, with one scale. */
  operand(planned: Node, input: number): void {
    const node = this.#editor.current(planned);
    const initializer = this.#graph.initializers.get(planned.inputs[input] ?? '');
    if (node === undefined || initializer === undefined) return;
    const stored = this.#once(initializer, 'operand', node, () => {
      const values = readFinite(this.#pass, initializer);
      const symmetric = this.#scheme.symmetricActivations;
      return quantizeArray(values, initializer.dims, null, this.#scheme.activations, { symmetric });
    });
    this.#editor.update(node, { inputs: node.inputs.with(input, stored.dequantized) });
  }

  /** For an engine that quantizes weights itself: the weight stays float, with a pair that says how; so does the bias. */
  #pairOnWeight(node: Node, initializer: Initializer, { axis: channelAxis, input }: ProductWeight): void {
    const editor = this.#editor;
    const { perChannel, weights } = this.#scheme;
    const axis = perChannel ? channelAxis : null;
    const { scales, zeroPoints } = quantizeArray(this.#values(initializer, 1), initializer.dims, axis, weights);
    const base = editor.uniqueName(`${initializer.name}_pair`);
    const shape = axis === null ? [] : [scales.length];
    const parameters = [
      store(editor, `${base}_scale`, { dtype: 'float32', shape, data: scales }),
      storeIntegers(editor, `${base}_zero_point`, weights, shape, zeroPoints),
    ];
    const attributes = axis === null ? [] : [intAttribute('axis', axis)];
    const [quantized, dequantized] = [editor.uniqueName(`${base}_quantized`), editor.uniqueName(`${base}_dequantized`)];
    const named = (op: string) => ({ name: editor.uniqueNodeName(`${base}_${op}`), attributes });
    editor.insertBefore(
      node,
      createNode('QuantizeLinear', [initializer.name, ...parameters], [quantized], named('QuantizeLinear')),
      createNode('DequantizeLinear', [quantized, ...parameters], [dequantized], named('DequantizeLinear')),
    );
    editor.update(node, { inputs: node.inputs.with(input, dequantized) });
  }

  #weight(
    node: Node,
    initializer: Initializer,
    { axis: channelAxis, like }: ProductWeight,
    bias: Float32Array | null,
    inputScale: number,
  ): EmittedWeight {
    const { perChannel, reduceRange, symmetricWeights, activations, weights } = this.#scheme;
    const axis = perChannel ? channelAxis : null;
    const channels = axis === null ? 1 : (initializer.dims[axis] ?? 1);
    const alpha = node.op === 'Gemm' ? getFloat(node, 'alpha', 1) : 1;
    const floor = bias === null ? null : biasScaleFloor(bias, inputScale, channels);
    const values = this.#values(initializer, alpha);
    const dtype = like === 'weights' ? weights : activations;
    const options = { reduceRange, ...(symmetricWeights === undefined ? {} : { symmetric: symmetricWeights }) };
    const plain = quantizeArray(values, initializer.dims, axis, dtype, options);
    const isRaised = floor?.some((least, channel) => (plain.scales[channel] ?? 0) < least) ?? false;
    const own = isRaised ? (node.outputs[0] ?? '') : '';
    return this.#once(initializer, `${String(axis)}|${dtype}|${alpha}|${own}`, node, () =>
      isRaised ? quantizeArray(values, initializer.dims, axis, dtype, { ...options, atLeast: floor }) : plain,
    );
  }

  #values(initializer: Initializer, factor: number): Float32Array {
    const stored = readFinite(this.#pass, initializer);
    return factor === 1 ? stored : stored.map((value) => value * factor);
  }

  #storeBias(node: Node, planned: Node, bias: Float32Array, inputScale: number, weightScales: Float32Array): string {
    const base = [planned.inputs[2], planned.inputs[1]].find((name) => name !== undefined && name !== '') ?? '';
    const { data, scales } = quantizeBias(bias, inputScale, weightScales);
    const isPerChannel = this.#scheme.perChannel;
    const constants = {
      quantized: store(this.#editor, `${base}_quantized`, { dtype: 'int32', shape: [data.length], data }),
      scale: store(this.#editor, `${base}_scale`, {
        dtype: 'float32',
        shape: isPerChannel ? [scales.length] : [],
        data: scales,
      }),
      zeroPoint: '',
      axis: isPerChannel ? 0 : null,
    };
    return this.#dequantize(base, constants, node);
  }

  #bias(node: Node): Float32Array | null {
    if (node.op === 'Gemm') {
      const beta = getFloat(node, 'beta', 1);
      return gemmBias(node, this.#graph)?.map((value) => value * beta) ?? null;
    }
    const bias = node.op === 'Conv' ? this.#graph.initializers.get(node.inputs[2] ?? '') : undefined;
    return bias === undefined ? null : readFloat32(bias);
  }

  /** A constant in one form: stored in the graph that has it, dequantized in the one that reads it. */
  #once(initializer: Initializer, form: string, before: Node, quantize: () => QuantizedTensor): EmittedWeight {
    const { name, dims } = initializer;
    const key = `${name}|${form}`;
    let known = this.#emitted.get(key);
    if (known === undefined) {
      const quantized = quantize();
      const stored = this.#scope.once(name, form, (owner) => storeQuantized(owner, name, dims, quantized));
      known = { dequantized: this.#dequantize(name, stored, before), scales: quantized.scales };
      this.#emitted.set(key, known);
    }
    return known;
  }

  #dequantize(base: string, stored: StoredConstant, before: Node): string {
    const output = this.#editor.uniqueName(`${base}_dequantized`);
    const inputs = [stored.quantized, stored.scale, ...(stored.zeroPoint === '' ? [] : [stored.zeroPoint])];
    const attributes = stored.axis === null ? [] : [intAttribute('axis', stored.axis)];
    const name = this.#editor.uniqueNodeName(`${base}_DequantizeLinear`);
    this.#editor.insertBefore(before, createNode('DequantizeLinear', inputs, [output], { name, attributes }));
    return output;
  }
}
