/**
 * A product or a convolution with an 8-bit weight:
 *
 *     xq, xs, xz = DynamicQuantizeLinear(x)          once per tensor, whoever multiplies it
 *     y = Cast(MatMulInteger(xq, wq, xz, wz)) · (xs · ws)     [+ bias]
 *
 * ONNX Runtime fuses these nodes of a product into one kernel (DynamicQuantizeMatMul). Of a convolution, ConvInteger takes a
 * weight with one zero point only. That of a symmetric weight is zero for every channel, so scales per channel are right
 * all the same: they come in after the integers, along the channels of the result.
 */
import { createNode, type Initializer, intAttribute, type Node, ONNX_DTYPES } from '@slipway/onnx';
import { quantizeArray } from '../affine.ts';
import { store, type StoredConstant, storeIntegers, storeQuantized } from '../constants.ts';
import { readFloat32 } from '../weights.ts';
import type { WeightOptions } from './emit.ts';
import type { Target } from './plan.ts';
import type { Scope } from './scope.ts';

export function emitProduct(scope: Scope, target: Target, { perChannel, reduceRange }: WeightOptions): void {
  const base = target.weights[0]?.name ?? '';
  const weight = scope.once(base, `product ${target.form}`, (owner) => {
    const values = target.values('quantize.dynamic');
    return storeQuantized(
      owner,
      base,
      target.dims,
      quantizeArray(values, target.dims, perChannel ? 1 : null, 'int8', { reduceRange }),
    );
  });
  const { bias } = target;
  const added = bias === null ? null : scaledBias(scope, bias);
  emit(scope, target.node, weight, [weight.zeroPoint], added);
}

export function emitConvolution(scope: Scope, target: Target, { perChannel, reduceRange }: WeightOptions): void {
  const { node, dims } = target;
  const base = target.weights[0]?.name ?? '';
  // [C, 1, 1]: along the channels of a result [N, C, H, W].
  const alongChannels = [-1, ...dims.slice(2).map(() => 1)];
  const weight = scope.once(base, 'convolution', (owner) => {
    const quantized = quantizeArray(target.values('quantize.dynamic'), dims, perChannel ? 0 : null, 'int8', {
      reduceRange,
    });
    const shape = perChannel ? alongChannels.with(0, dims[0] ?? 0) : [];
    return {
      quantized: storeIntegers(owner, `${base}_quantized`, 'int8', dims, quantized.data),
      scale: store(owner, `${base}_scale`, { dtype: 'float32', shape, data: quantized.scales }),
      zeroPoint: '',
      axis: null,
    };
  });
  const [, , biasName = ''] = node.inputs;
  const constant = scope.constant(biasName);
  const added = biasName === '' ? null : biasAlong(scope, node, biasName, constant, alongChannels);
  emit(scope, node, weight, [], added);
}

function emit(
  { editor, quantizeActivation }: Scope,
  node: Node,
  weight: StoredConstant,
  weightZeroPoint: readonly string[],
  bias: string | null,
): void {
  const [input = ''] = node.inputs;
  const [output = ''] = node.outputs;
  const x = quantizeActivation(input, node);
  const base = node.name === '' ? output : node.name;
  const value = (suffix: string): string => editor.uniqueName(`${output}_${suffix}`);
  const named = (suffix: string): { name: string } => ({ name: editor.uniqueNodeName(`${base}_${suffix}`) });
  const isConvolution = node.op === 'Conv';
  const op = isConvolution ? 'ConvInteger' : 'MatMulInteger';
  const [integer, cast, scales] = [value('integer'), value('cast'), value('scales')];
  const product = bias === null ? output : value('product');
  const nodes = [
    createNode(op, [x.quantized, weight.quantized, x.zeroPoint, ...weightZeroPoint], [integer], {
      ...named(op),
      attributes: isConvolution ? [...node.attributes.values()] : [],
    }),
    createNode('Cast', [integer], [cast], {
      ...named('Cast'),
      attributes: [intAttribute('to', ONNX_DTYPES.float32.code)],
    }),
    createNode('Mul', [x.scale, weight.scale], [scales], named('scales')),
    createNode('Mul', [cast, scales], [product], named('Mul')),
  ];
  if (bias !== null) nodes.push(createNode('Add', [product, bias], [output], named('Add')));
  editor.replace(node, ...nodes);
}

/** The bias with Gemm's beta multiplied in. */
function scaledBias(scope: Scope, { name, factor }: { name: string; factor: number }): string {
  const constant = scope.constant(name);
  if (factor === 1 || constant === undefined) return name;
  return scope.once(name, `x ${factor}`, (owner) => {
    const data = readFloat32(constant).map((value) => value * factor);
    return plain(store(owner, `${name}_scaled`, { dtype: 'float32', shape: constant.dims, data }));
  }).quantized;
}

/** The bias of a convolution as a tensor that broadcasts along the channels: now, or while the model runs. */
function biasAlong(
  scope: Scope,
  node: Node,
  name: string,
  constant: Initializer | undefined,
  dims: readonly number[],
): string {
  if (constant !== undefined) {
    return scope.once(name, 'along channels', (owner) => {
      const data = readFloat32(constant);
      return plain(store(owner, `${name}_channels`, { dtype: 'float32', shape: dims.with(0, data.length), data }));
    }).quantized;
  }
  const { editor } = scope;
  const data = BigInt64Array.from(dims, BigInt);
  const shape = store(editor, `${name}_shape`, { dtype: 'int64', shape: [dims.length], data });
  const output = editor.uniqueName(`${name}_channels`);
  const options = { name: editor.uniqueNodeName(`${name}_Reshape`) };
  editor.insertBefore(node, createNode('Reshape', [name, shape], [output], options));
  return output;
}

/** A constant that is stored as it is, once. */
const plain = (name: string): StoredConstant => ({ quantized: name, scale: '', zeroPoint: '', axis: null });
