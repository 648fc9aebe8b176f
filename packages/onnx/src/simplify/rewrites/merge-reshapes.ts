/** A change of shape after a change of shape becomes one, or none. */
import { getInt, type Node } from '../../ir/node.ts';
import { isFixed, type Shape, UNKNOWN_DIM } from '../../ir/type.ts';
import { eachNode, onlyFirstOutput, type Rewrite, type Site } from '../rewrite.ts';

const RESHAPING = ['Reshape', 'Flatten', 'Squeeze', 'Unsqueeze'];

export const mergeReshapes: Rewrite = {
  name: 'merge-reshapes',
  exactness: 'exact',
  summary: 'Merges a change of shape (Reshape, Flatten, Squeeze, Unsqueeze) into the one after it, or removes both.',
  apply: eachNode(RESHAPING, (node, site) => {
    const first = site.editor.producer(node.inputs[0] ?? '');
    if (first?.domain !== '' || !RESHAPING.includes(first.op) || !onlyFirstOutput(first)) return false;
    const [source = ''] = first.inputs;
    const [from, to] = [site.shape(source), site.shape(node.outputs[0])];
    if (from !== undefined && to !== undefined && isSame(from, to)) {
      site.editor.update(node, { op: 'Identity', inputs: [source], attributes: new Map() });
      return true;
    }
    if (copiesNothing(node, site)) {
      site.editor.update(node, { inputs: [source, ...node.inputs.slice(1)] });
      return true;
    }
    // Any other pair becomes a Reshape to the shape that comes out, where that can be written down.
    const target = to === undefined ? undefined : writable(to);
    if (target === undefined || node.op === 'Reshape' || site.soleReader(first.outputs[0] ?? '') === undefined) {
      return false;
    }
    const shape = site.addLongs(`${node.outputs[0] ?? ''}_shape`, target);
    site.editor.update(node, { op: 'Reshape', inputs: [source, shape], attributes: new Map() });
    return true;
  }),
};

/** True for a Reshape whose result depends on the number of elements alone. */
function copiesNothing(node: Node, site: Site): boolean {
  const target = node.op === 'Reshape' ? site.integers(node.inputs[1]) : undefined;
  return target !== undefined && (!target.includes(0) || getInt(node, 'allowzero', 0) === 1);
}

const isSame = (a: Shape, b: Shape): boolean =>
  a.length === b.length && a.every((dim, axis) => dim === b[axis] && dim !== UNKNOWN_DIM);

function writable(shape: Shape): number[] | undefined {
  const open = shape.filter((dim) => !isFixed(dim)).length;
  return open > 1 || shape.includes(0) ? undefined : shape.map((dim) => (isFixed(dim) ? dim : -1));
}
