/**
 * A product with an 8-bit weight, in the nodes ONNX Runtime fuses into one kernel (DynamicQuantizeMatMul):
 *
 *     xq, xs, xz = DynamicQuantizeLinear(x)          once per tensor, whoever multiplies it
 *     y = Cast(MatMulInteger(xq, wq, xz, wz)) · (xs · ws)     [+ bias]
 */
import { createNode, type GraphEditor, intAttribute, type Node, ONNX_DTYPES } from '@slipway/onnx';
import { quantizeArray } from '../affine.ts';
import { store, type StoredConstant, storeQuantized } from '../constants.ts';
import { readFloat32 } from '../weights.ts';
import type { Target } from './plan.ts';

interface QuantizedActivation {
  readonly quantized: string;
  readonly scale: string;
  readonly zeroPoint: string;
}

export type ActivationQuantizer = (tensor: string, before: Node) => QuantizedActivation;

/** Quantizes each tensor once, right before the first node that needs it. */
export function activationQuantizer(editor: GraphEditor): ActivationQuantizer {
  const done = new Map<string, QuantizedActivation>();
  return (tensor, before) => {
    const known = done.get(tensor);
    if (known !== undefined) return known;
    const made = {
      quantized: editor.uniqueName(`${tensor}_quantized`),
      scale: editor.uniqueName(`${tensor}_scale`),
      zeroPoint: editor.uniqueName(`${tensor}_zero_point`),
    };
    const name = editor.uniqueNodeName(`${tensor}_DynamicQuantizeLinear`);
    const outputs = [made.quantized, made.scale, made.zeroPoint];
    editor.insertBefore(before, createNode('DynamicQuantizeLinear', [tensor], outputs, { name }));
    done.set(tensor, made);
    return made;
  };
}

export function emitMatMul(
  editor: GraphEditor,
  target: Target,
  perChannel: boolean,
  quantizeActivation: ActivationQuantizer,
  stored: Map<string, StoredConstant>,
): void {
  const { node, bias } = target;
  const [input = ''] = node.inputs;
  const [output = ''] = node.outputs;
  const key = `${target.weight.name}|${target.form}`;
  let weight = stored.get(key);
  if (weight === undefined) {
    const quantized = quantizeArray(target.values('quantize.dynamic'), target.dims, perChannel ? 1 : null, 'int8');
    weight = storeQuantized(editor, target.weight.name, target.dims, quantized);
    stored.set(key, weight);
  }
  const x = quantizeActivation(input, node);

  const base = node.name === '' ? output : node.name;
  const value = (suffix: string): string => editor.uniqueName(`${output}_${suffix}`);
  const named = (suffix: string): { name: string } => ({ name: editor.uniqueNodeName(`${base}_${suffix}`) });
  const [integer, cast, scales] = [value('integer'), value('cast'), value('scales')];
  const product = bias === null ? output : value('product');
  const nodes = [
    createNode(
      'MatMulInteger',
      [x.quantized, weight.quantized, x.zeroPoint, weight.zeroPoint],
      [integer],
      named('MatMulInteger'),
    ),
    createNode('Cast', [integer], [cast], {
      ...named('Cast'),
      attributes: [intAttribute('to', ONNX_DTYPES.float32.code)],
    }),
    createNode('Mul', [x.scale, weight.scale], [scales], named('scales')),
    createNode('Mul', [cast, scales], [product], named('Mul')),
  ];
  if (bias !== null) nodes.push(createNode('Add', [product, biasOf(editor, bias)], [output], named('Add')));
  editor.replace(node, ...nodes);
}

/** The bias with Gemm's beta multiplied in. */
function biasOf(editor: GraphEditor, { name, factor }: { name: string; factor: number }): string {
  const constant = editor.initializer(name);
  if (factor === 1 || constant === undefined) return name;
  const data = readFloat32(constant).map((value) => value * factor);
  return store(editor, `${name}_scaled`, { dtype: 'float32', shape: constant.dims, data });
}
