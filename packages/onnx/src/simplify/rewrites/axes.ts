/** The axes of Squeeze, Unsqueeze and reductions: an attribute before operator set 13 (18 for reductions), then an input. */
import { intsAttribute } from '../../ir/attribute.ts';
import { getInts, type Node, withAttributes } from '../../ir/node.ts';
import { axisOf } from '../evaluate/value.ts';
import type { Site } from '../rewrite.ts';

/** Counted from 0 and in order; undefined when absent, not constant or not valid for the rank they count in. */
export function axesOf(node: Node, site: Site, rank: number): readonly number[] | undefined {
  const name = node.inputs[1] ?? '';
  const given = name === '' ? getInts(node, 'axes') : site.integers(name);
  const axes = given?.map((axis) => axisOf(axis, rank));
  if (axes === undefined || new Set(axes).size !== axes.length) return undefined;
  return axes.every((axis) => axis !== undefined) ? axes.sort((a, b) => a - b) : undefined;
}

/** Let `node` read `input` and work on `axes`, in the form of its operator set. */
export function updateAxes(node: Node, input: string, axes: readonly number[], site: Site): void {
  const { editor, opset } = site;
  if (opset < 13) {
    editor.update(node, {
      inputs: [input],
      attributes: withAttributes(node, [intsAttribute('axes', axes)]).attributes,
    });
  } else {
    editor.update(node, { inputs: [input, site.addLongs(`${node.outputs[0] ?? ''}_axes`, axes)] });
  }
}
