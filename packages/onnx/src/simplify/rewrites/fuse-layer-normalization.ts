/**
 * (x − mean) / √(variance + ε) · scale + offset, over the last axes, becomes LayerNormalization, which the standard set
 * has from version 17 on. Exporters for older sets spell it out in nine nodes.
 */
import { floatAttribute, intAttribute } from '../../ir/attribute.ts';
import { createNode, getInt, type Node } from '../../ir/node.ts';
import { isFixedShape } from '../../ir/type.ts';
import { madeBy, otherOperand, scalarOf, scalarOperand } from '../pattern.ts';
import { eachNode, type Rewrite, type Site } from '../rewrite.ts';
import { putConstant } from '../weights.ts';
import { axesOf } from './axes.ts';

const FIRST_OPSET = 17;

export const fuseLayerNormalization: Rewrite = {
  name: 'fuse-layer-normalization',
  exactness: 'rounding',
  summary: 'Makes one LayerNormalization of one spelt out (from operator set 17 on).',
  apply: eachNode(['Div', 'Mul'], (node, site) => {
    const found = site.opset < FIRST_OPSET ? undefined : normalization(node, site);
    if (found === undefined) return false;
    const { x, dims, epsilon } = found;
    const scaled = withParameter(node, 'Mul', dims, site);
    const shifted = scaled && withParameter(scaled.node, 'Add', dims, site);
    const scale = scaled?.parameter ?? ones(x, dims, site);
    const inputs = [x, scale, ...(shifted === undefined ? [] : [shifted.parameter])];
    const attributes = [intAttribute('axis', -dims.length), floatAttribute('epsilon', epsilon)];
    const [last = node, ...inner] = [shifted?.node, scaled?.node, node].filter((each) => each !== undefined);
    for (const each of inner) site.editor.remove(each);
    site.editor.replace(last, createNode('LayerNormalization', inputs, last.outputs, { name: last.name, attributes }));
    return true;
  }),
};

interface Normalization {
  readonly x: string;
  /** Sizes of the axes it is taken over. */
  readonly dims: readonly number[];
  readonly epsilon: number;
}

/** `node` as (x − mean) / deviation, or times its inverse. */
function normalization(node: Node, site: Site): Normalization | undefined {
  const deviation = deviationRead(node, site);
  const sum = deviation && madeBy(site, madeBy(site, deviation.name, 'Sqrt')?.inputs[0], 'Add');
  const parts = sum && scalarOperand(site, sum);
  const mean = madeBy(site, parts?.other, 'ReduceMean');
  if (deviation === undefined || parts === undefined || mean === undefined || !(parts.scalar >= 0)) return undefined;
  const square = madeBy(site, mean.inputs[0], 'Pow', 'Mul');
  const centred = square?.inputs[0];
  const isSquare = square?.op === 'Mul' ? square.inputs[1] === centred : scalarOf(site, square?.inputs[1]) === 2;
  const difference = isSquare && centred === deviation.centred ? madeBy(site, centred, 'Sub') : undefined;
  const x = difference?.inputs[0];
  const centre = madeBy(site, difference?.inputs[1], 'ReduceMean');
  const type = site.type(x);
  if (x === undefined || centre?.inputs[0] !== x || type?.dtype !== 'float32' || type.shape === null) return undefined;
  const rank = type.shape.length;
  const axes = axesOf(mean, site, rank);
  if (axes === undefined || axes.join() !== axesOf(centre, site, rank)?.join()) return undefined;
  if (getInt(mean, 'keepdims', 1) !== 1 || getInt(centre, 'keepdims', 1) !== 1) return undefined;
  const dims = type.shape.slice(rank - axes.length);
  const areLast = axes.length > 0 && axes.every((axis, index) => axis === rank - axes.length + index);
  return areLast && isFixedShape(dims) ? { x, dims, epsilon: parts.scalar } : undefined;
}

/** What a node divides by, also where it multiplies with the inverse. */
function deviationRead(node: Node, site: Site): { readonly centred: string; readonly name: string } | undefined {
  const [a = '', b = ''] = node.inputs;
  if (node.op === 'Div') return { centred: a, name: b };
  for (const [centred, inverse] of [
    [a, b],
    [b, a],
  ] as const) {
    const made = madeBy(site, inverse, 'Reciprocal', 'Div');
    if (made?.op === 'Reciprocal') return { centred, name: made.inputs[0] ?? '' };
    if (made !== undefined && scalarOf(site, made.inputs[0]) === 1) return { centred, name: made.inputs[1] ?? '' };
  }
  return undefined;
}

/** The only reader of what `node` makes, when it is `op` with an operand of exactly these dims. */
function withParameter(
  node: Node,
  op: 'Mul' | 'Add',
  dims: readonly number[],
  site: Site,
): { readonly node: Node; readonly parameter: string } | undefined {
  const [value = ''] = node.outputs;
  const reader = site.soleReader(value);
  if (reader?.domain !== '' || reader.op !== op) return undefined;
  const parameter = otherOperand(reader, value);
  return site.shape(parameter)?.join() === dims.join() ? { node: reader, parameter } : undefined;
}

/** The operator needs a scale, also where none was written. */
function ones(x: string, dims: readonly number[], site: Site): string {
  const data = new Float32Array(dims.reduce((product, dim) => product * dim, 1)).fill(1);
  return putConstant(site, undefined, `${x}_scale`, { dtype: 'float32', dims, data });
}
