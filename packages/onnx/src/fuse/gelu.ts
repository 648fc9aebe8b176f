/** GELU and its relatives, as ONNX Runtime's own operators, which exist for every operator set. */
import { floatAttribute } from '../ir/attribute.ts';
import { createNode, getString, isOp, MS_DOMAIN, type Node } from '../ir/node.ts';
import { isFixed } from '../ir/type.ts';
import { matchGelu } from '../simplify/rewrites/gelu.ts';
import { madeBy, otherOperand, polynomialOf } from '../simplify/pattern.ts';
import { eachNode, type Rewrite, type Site } from '../simplify/rewrite.ts';

export const fuseGelu: Rewrite = {
  name: 'gelu',
  exactness: 'rounding',
  summary: 'GELU spelt out becomes `Gelu`, its approximation by tanh `FastGelu`.',
  apply: eachNode(['Erf', 'Tanh'], (node, site) => {
    const match = matchGelu(node, site);
    if (match === undefined) return false;
    const { x, approximate, last } = match;
    const op = approximate === 'none' ? 'Gelu' : 'FastGelu';
    site.editor.replace(last, createNode(op, [x], last.outputs, { name: last.name, domain: MS_DOMAIN }));
    return true;
  }),
};

export const fuseQuickGelu: Rewrite = {
  name: 'quick-gelu',
  exactness: 'rounding',
  summary: 'x · sigmoid(α · x) becomes `QuickGelu`; with α = 1 that is SiLU.',
  apply: eachNode(['Sigmoid'], (node, site) => {
    const [argument = ''] = node.inputs;
    const [bell = ''] = node.outputs;
    const product = site.soleReader(bell);
    if (product === undefined || !isOp(product, 'Mul') || site.type(argument)?.dtype !== 'float32') return false;
    const x = otherOperand(product, bell);
    const [offset = 0, alpha = 0, ...more] = polynomialOf(site, argument, x) ?? [];
    if (offset !== 0 || alpha === 0 || more.length > 0) return false;
    const options = { name: product.name, domain: MS_DOMAIN, attributes: [floatAttribute('alpha', alpha)] };
    site.editor.remove(node);
    site.editor.replace(product, createNode('QuickGelu', [x], product.outputs, options));
    return true;
  }),
};

export const fuseBiasGelu: Rewrite = {
  name: 'bias-gelu',
  exactness: 'rounding',
  summary: 'The bias added before a GELU goes into it: `BiasGelu`, or the bias of `FastGelu`.',
  apply(site) {
    let count = 0;
    for (const seen of site.editor.nodes) {
      const node = site.editor.current(seen);
      const op = node && biased(node);
      const sum = op && node.inputs.length === 1 ? site.feeder(node.inputs[0], 'Add') : undefined;
      const operands = sum && biasOf(sum, site);
      if (node === undefined || op === undefined || sum === undefined || operands === undefined) continue;
      const inputs = [operands.value, operands.bias];
      site.editor.remove(sum);
      site.editor.replace(node, createNode(op, inputs, node.outputs, { name: node.name, domain: MS_DOMAIN }));
      count += 1;
    }
    return count;
  },
};

/** The operator that computes the same of a sum. */
function biased(node: Node): 'BiasGelu' | 'FastGelu' | undefined {
  if (isOp(node, 'FastGelu', MS_DOMAIN)) return 'FastGelu';
  if (isOp(node, 'Gelu', MS_DOMAIN)) return 'BiasGelu';
  if (!isOp(node, 'Gelu')) return undefined;
  return getString(node, 'approximate', 'none') === 'none' ? 'BiasGelu' : 'FastGelu';
}

interface BiasedValue {
  readonly value: string;
  readonly bias: string;
}

/** The operands of an Add that adds a constant vector along the last axis of float32. */
function biasOf(sum: Node, site: Site): BiasedValue | undefined {
  for (const [index, bias] of sum.inputs.entries()) {
    const value = sum.inputs[1 - index] ?? '';
    const constant = site.stored(bias);
    const last = site.shape(value)?.at(-1);
    if (constant?.dtype !== 'float32' || constant.dims.length !== 1 || !isFixed(last)) continue;
    if (constant.dims[0] === last && site.type(value)?.dtype === 'float32') return { value, bias };
  }
  return undefined;
}

/** `name` without the bias that an Add puts on it, where only one node reads the sum. */
export function withoutBias(name: string, site: Site): { readonly value: string; readonly bias?: string } {
  const sum = site.soleReader(name) === undefined ? undefined : madeBy(site, name, 'Add');
  return (sum && biasOf(sum, site)) ?? { value: name };
}
