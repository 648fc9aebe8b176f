/** A Squeeze of a Squeeze becomes one. */
import { eachNode, type Rewrite } from '../rewrite.ts';
import { axesOf, updateAxes } from './axes.ts';

export const mergeSqueezes: Rewrite = {
  name: 'merge-squeezes',
  exactness: 'exact',
  summary: 'Merges a Squeeze of a Squeeze.',
  apply: eachNode(['Squeeze'], (node, site) => {
    const first = site.feeder(node.inputs[0], 'Squeeze');
    const [input = ''] = first?.inputs ?? [];
    const [from, between] = [input, node.inputs[0]].map((name) => site.shape(name)?.length);
    if (first === undefined || from === undefined || between === undefined) return false;
    const [inner, outer] = [axesOf(first, site, from), axesOf(node, site, between)];
    if (inner === undefined || outer === undefined) return false;
    const places = Array.from({ length: from }, (_, axis) => axis).filter((axis) => !inner.includes(axis));
    const axes = [...inner, ...outer.map((axis) => places[axis] ?? -1)].sort((a, b) => a - b);
    if (axes.includes(-1)) return false;
    updateAxes(node, input, axes, site);
    return true;
  }),
};
