/** A Slice of a Slice along other axes becomes one. */
import { intsAttribute } from '../../ir/attribute.ts';
import { eachNode, type Rewrite } from '../rewrite.ts';
import { constantCuts } from './slices.ts';

export const mergeSlices: Rewrite = {
  name: 'merge-slices',
  exactness: 'exact',
  summary: 'Merges a Slice of a Slice along other axes.',
  apply: eachNode(['Slice'], (node, site) => {
    const first = site.feeder(node.inputs[0], 'Slice');
    const [source = ''] = first?.inputs ?? [];
    const rank = site.shape(source)?.length;
    if (first === undefined || rank === undefined) return false;
    const [inner, outer] = [constantCuts(first, site, rank), constantCuts(node, site, rank)];
    if (inner === undefined || outer === undefined) return false;
    const cuts = [...inner, ...outer].sort((a, b) => a.axis - b.axis);
    if (new Set(cuts.map(({ axis }) => axis)).size !== cuts.length) return false;
    // Ends beyond 2^53 were saturated on reading: they mean "to the end" as they are.
    const lists = {
      starts: cuts.map(({ start }) => start),
      ends: cuts.map(({ end }) => end),
      axes: cuts.map(({ axis }) => axis),
      steps: cuts.map(({ step }) => step),
    };
    if (site.opset < 10) {
      const attributes = (['starts', 'ends', 'axes'] as const).map((name) => intsAttribute(name, lists[name]));
      site.editor.update(node, { inputs: [source], attributes: new Map(attributes.map((item) => [item.name, item])) });
      return true;
    }
    const base = node.outputs[0] ?? '';
    const names = (['starts', 'ends', 'axes', 'steps'] as const).map((name) =>
      site.addLongs(`${base}_${name}`, lists[name]),
    );
    site.editor.update(node, { inputs: [source, ...names] });
    return true;
  }),
};
