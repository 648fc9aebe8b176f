/**
 * A part of a shape is asked for at once: Shape has a start and an end since operator set 15, which takes the place of the
 * Slice behind it, or of the Gather and the Unsqueeze by which exporters read one size.
 */
import { intAttribute } from '../../ir/attribute.ts';
import { createNode, getInt, type Node, withAttributes } from '../../ir/node.ts';
import { madeBy } from '../pattern.ts';
import { eachNode, type Rewrite, type Site } from '../rewrite.ts';
import { axesOf } from './axes.ts';
import { constantCuts } from './slices.ts';

const FIRST_OPSET = 15;

export const mergeShapeSlices: Rewrite = {
  name: 'merge-shape-slices',
  exactness: 'exact',
  summary:
    'Lets a Shape give the part that a Slice, or a Gather and an Unsqueeze, take of it (from operator set 15 on).',
  apply: eachNode(['Slice', 'Unsqueeze'], (node, site) => {
    const part = site.opset < FIRST_OPSET ? undefined : node.op === 'Slice' ? sliced(node, site) : gathered(node, site);
    if (part === undefined) return false;
    const attributes = [intAttribute('start', part.start), intAttribute('end', part.end)];
    const made = createNode('Shape', part.shape.inputs, node.outputs, { name: node.name });
    site.editor.replace(node, withAttributes(made, attributes));
    return true;
  }),
};

interface Part {
  readonly shape: Node;
  readonly start: number;
  readonly end: number;
}

/** The Shape that makes `name`, and how many sizes it gives from which axis on. */
function measured(name: string | undefined, site: Site): (Part & { readonly rank: number }) | undefined {
  const shape = madeBy(site, name, 'Shape');
  const rank = site.shape(shape?.inputs[0])?.length;
  if (shape === undefined || rank === undefined) return undefined;
  const clamp = (axis: number): number => Math.min(Math.max(axis < 0 ? axis + rank : axis, 0), rank);
  return { shape, rank, start: clamp(getInt(shape, 'start', 0)), end: clamp(getInt(shape, 'end', rank)) };
}

function sliced(node: Node, site: Site): Part | undefined {
  const whole = measured(node.inputs[0], site);
  const [cut, ...more] = (whole && constantCuts(node, site, 1)) ?? [];
  if (whole === undefined || cut === undefined || more.length > 0 || cut.step !== 1) return undefined;
  const count = whole.end - whole.start;
  const clamp = (index: number): number => Math.min(Math.max(index < 0 ? index + count : index, 0), count);
  const [first, last] = [clamp(cut.start), clamp(cut.end)];
  return last > first ? { shape: whole.shape, start: whole.start + first, end: whole.start + last } : undefined;
}

/** Unsqueeze of a Gather of one size, which nothing else reads: two nodes less, one more. */
function gathered(node: Node, site: Site): Part | undefined {
  const gather = site.feeder(node.inputs[0], 'Gather');
  const whole = gather && measured(gather.inputs[0], site);
  if (gather === undefined || whole === undefined || axesOf(node, site, 1)?.join() !== '0') return undefined;
  const index = site.constant(gather.inputs[1]);
  const [value, ...more] = site.integers(gather.inputs[1]) ?? [];
  if (index?.dims.length !== 0 || value === undefined || more.length > 0) return undefined;
  const count = whole.end - whole.start;
  const at = value < 0 ? value + count : value;
  return at >= 0 && at < count ? { shape: whole.shape, start: whole.start + at, end: whole.start + at + 1 } : undefined;
}
