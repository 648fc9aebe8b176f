/**
 * x / √(mean(x²) + ε) · scale over the last axis: RMS normalization, which decoders have in the place of LayerNormalization.
 * The standard set has an operator for it from version 23 on; before that, only that of a sum has one.
 */
import { floatAttribute, intAttribute } from '../ir/attribute.ts';
import { createNode, getInt, MS_DOMAIN, type Node } from '../ir/node.ts';
import { isFixed, type Shape, UNKNOWN_DIM } from '../ir/type.ts';
import { madeBy, otherOperand, scalarOf, scalarOperand } from '../simplify/pattern.ts';
import { eachNode, type Rewrite, type Site } from '../simplify/rewrite.ts';
import { axesOf } from '../simplify/rewrites/axes.ts';

const FIRST_STANDARD_OPSET = 23;

export const fuseRmsNormalization: Rewrite = {
  name: 'rms-normalization',
  exactness: 'rounding',
  summary:
    'RMS normalization spelt out becomes `SkipSimplifiedLayerNormalization` where it is of a sum; elsewhere the standard `RMSNormalization`, from operator set 23 on.',
  apply: eachNode(['Mul'], (node, site) => {
    const match = normalization(node, site);
    if (match === undefined) return false;
    const { x, scale, epsilon, own } = match;
    const sum = madeBy(site, x, 'Add');
    const shape = site.shape(x);
    const operands = sum?.inputs ?? [];
    const isResidual =
      sum !== undefined && shape?.length === 3 && operands.every((operand) => same(site.shape(operand), shape));
    if (isResidual && operands[0] !== operands[1]) {
      const kept = site.editor.isOutput(x) || site.editor.consumers(x).some((reader) => !own.includes(reader));
      const outputs = [node.outputs[0] ?? '', ...(kept ? ['', '', x] : [])];
      const options = { name: node.name, domain: MS_DOMAIN, attributes: [floatAttribute('epsilon', epsilon)] };
      for (const each of kept ? [sum] : [...own, sum]) site.editor.remove(each);
      if (kept) site.editor.setType(x, null);
      site.editor.replace(node, createNode('SkipSimplifiedLayerNormalization', [...operands, scale], outputs, options));
      return true;
    }
    if (site.opset < FIRST_STANDARD_OPSET) return false;
    const attributes = [intAttribute('axis', -1), floatAttribute('epsilon', epsilon)];
    site.editor.replace(
      node,
      createNode('RMSNormalization', [x, scale], node.outputs, { name: node.name, attributes }),
    );
    return true;
  }),
};

interface RmsNormalization {
  readonly x: string;
  /** float32 [width] */
  readonly scale: string;
  readonly epsilon: number;
  /** The nodes that read x. */
  readonly own: readonly Node[];
}

/** `node` as the product with the scale. */
function normalization(node: Node, site: Site): RmsNormalization | undefined {
  for (const normal of node.inputs) {
    const scale = otherOperand(node, normal);
    const inner = madeBy(site, normal, 'Mul', 'Div');
    const found = inner && site.soleReader(normal) !== undefined ? divided(inner, site) : undefined;
    const type = site.type(found?.x);
    const width = type?.shape?.at(-1);
    if (found === undefined || type?.dtype !== 'float32' || !isFixed(width)) continue;
    if (site.type(scale)?.dtype === 'float32' && site.shape(scale)?.join() === `${width}`) return { ...found, scale };
  }
  return undefined;
}

/** `node` as x over the root of its mean square, or times the inverse. */
function divided(node: Node, site: Site): Omit<RmsNormalization, 'scale'> | undefined {
  for (const x of node.op === 'Div' ? node.inputs.slice(0, 1) : node.inputs) {
    const other = node.op === 'Div' ? node.inputs[1] : otherOperand(node, x);
    const root = node.op === 'Div' ? other : inverted(site, other);
    const sum = madeBy(site, madeBy(site, root, 'Sqrt')?.inputs[0], 'Add');
    const parts = sum && scalarOperand(site, sum);
    const mean = madeBy(site, parts?.other, 'ReduceMean');
    const square = madeBy(site, mean?.inputs[0], 'Pow', 'Mul');
    const rank = site.shape(x)?.length;
    if (mean === undefined || parts === undefined || !(parts.scalar >= 0) || rank === undefined) continue;
    const isSquare = square?.op === 'Mul' ? square.inputs[1] === x : scalarOf(site, square?.inputs[1]) === 2;
    const axes = axesOf(mean, site, rank);
    if (!isSquare || square?.inputs[0] !== x || axes?.join() !== `${rank - 1}` || getInt(mean, 'keepdims', 1) !== 1) {
      continue;
    }
    return { x, epsilon: parts.scalar, own: [node, square] };
  }
  return undefined;
}

function inverted(site: Site, name: string | undefined): string | undefined {
  const made = madeBy(site, name, 'Reciprocal', 'Div');
  if (made?.op === 'Div') return scalarOf(site, made.inputs[0]) === 1 ? made.inputs[1] : undefined;
  return made?.inputs[0];
}

const same = (actual: Shape | undefined, expected: Shape): boolean =>
  actual?.length === expected.length && actual.every((dim, axis) => dim !== UNKNOWN_DIM && dim === expected[axis]);
