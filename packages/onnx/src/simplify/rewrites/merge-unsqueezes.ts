/** An Unsqueeze of an Unsqueeze becomes one. */
import { eachNode, type Rewrite } from '../rewrite.ts';
import { axesOf, updateAxes } from './axes.ts';

export const mergeUnsqueezes: Rewrite = {
  name: 'merge-unsqueezes',
  exactness: 'exact',
  summary: 'Merges an Unsqueeze of an Unsqueeze.',
  apply: eachNode(['Unsqueeze'], (node, site) => {
    const first = site.feeder(node.inputs[0], 'Unsqueeze');
    const [input = ''] = first?.inputs ?? [];
    const [from, between, to] = [input, node.inputs[0], node.outputs[0]].map((name) => site.shape(name)?.length);
    if (first === undefined || from === undefined || between === undefined || to === undefined) return false;
    const [inner, outer] = [axesOf(first, site, between), axesOf(node, site, to)];
    if (inner === undefined || outer === undefined) return false;
    // Where the axes in between end up: the places that the second one does not fill, in order.
    const places = Array.from({ length: to }, (_, axis) => axis).filter((axis) => !outer.includes(axis));
    const axes = [...outer, ...inner.map((axis) => places[axis] ?? -1)].sort((a, b) => a - b);
    if (axes.includes(-1) || axes.length !== to - from) return false;
    updateAxes(node, input, axes, site);
    return true;
  }),
};
