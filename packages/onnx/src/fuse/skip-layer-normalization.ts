/** The sum of a residual connection goes into the normalization after it, with the bias of the branch where there is one. */
import { floatAttribute } from '../ir/attribute.ts';
import { createNode, getFloat, getInt, MS_DOMAIN } from '../ir/node.ts';
import { isFixed, type Shape, UNKNOWN_DIM } from '../ir/type.ts';
import { madeBy } from '../simplify/pattern.ts';
import { eachNode, onlyFirstOutput, type Rewrite } from '../simplify/rewrite.ts';
import { withoutBias } from './gelu.ts';

const DEFAULT_EPSILON = 1e-5;
/** Which output of the operator is the sum itself. */
const SUM_OUTPUT = 3;

export const fuseSkipLayerNormalization: Rewrite = {
  name: 'skip-layer-normalization',
  exactness: 'rounding',
  summary:
    'LayerNormalization of a sum becomes `SkipLayerNormalization`, which also gives the sum where others read it.',
  apply: eachNode(['LayerNormalization'], (node, site) => {
    const [x = '', scale = '', offset = ''] = node.inputs;
    const sum = madeBy(site, x, 'Add');
    const shape = site.shape(x);
    if (sum === undefined || shape?.length !== 3 || !onlyFirstOutput(node)) return false;
    const axis = getInt(node, 'axis', -1);
    const width = shape[2];
    const dtypes = [x, scale].map((name) => site.type(name)?.dtype);
    if ((axis !== -1 && axis !== 2) || !isFixed(width) || dtypes.some((dtype) => dtype !== 'float32')) return false;
    if (site.shape(scale)?.join() !== `${width}` || (offset !== '' && site.shape(offset)?.join() !== `${width}`)) {
      return false;
    }
    const order = [...sum.inputs].sort(
      (a, b) => Number(matches(site.shape(b), shape)) - Number(matches(site.shape(a), shape)),
    );
    const [input = '', skip = ''] = order;
    if (!matches(site.shape(input), shape)) return false;
    if (!matches(site.shape(skip), shape) && !matches(site.shape(skip), [1, ...shape.slice(1)])) return false;
    const [left, right] = [withoutBias(input, site), withoutBias(skip, site)];
    // One bias at most; the other sum stays a node.
    const operands = left.bias === undefined ? [input, right.value] : [left.value, skip];
    const bias = left.bias ?? right.bias ?? '';
    const kept = site.editor.isOutput(x) || site.soleReader(x) === undefined;
    const outputs = [node.outputs[0] ?? '', ...(kept ? ['', '', x] : [])];
    const inputs = [...operands, scale, offset, bias];
    while (inputs.at(-1) === '') inputs.pop();
    const attributes = [floatAttribute('epsilon', getFloat(node, 'epsilon', DEFAULT_EPSILON))];
    site.editor.remove(sum);
    if (outputs.length > 1) site.editor.setType(x, null);
    site.editor.replace(
      node,
      createNode('SkipLayerNormalization', inputs, outputs, { name: node.name, domain: MS_DOMAIN, attributes }),
    );
    return outputs.length <= 1 || outputs[SUM_OUTPUT] === x;
  }),
};

/** True when both are known to be the same, axis by axis. */
function matches(actual: Shape | undefined, expected: Shape): boolean {
  return (
    actual?.length === expected.length && actual.every((dim, axis) => dim !== UNKNOWN_DIM && dim === expected[axis])
  );
}
