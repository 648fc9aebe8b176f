/** A reduction that drops axes which an Unsqueeze puts back keeps them instead. */
import { intAttribute } from '../../ir/attribute.ts';
import { getInt, isOp, withAttributes } from '../../ir/node.ts';
import { eachNode, type Rewrite } from '../rewrite.ts';
import { axesOf } from './axes.ts';

const REDUCTIONS = 'L1 L2 LogSum LogSumExp Max Mean Min Prod Sum SumSquare'.split(' ').map((name) => `Reduce${name}`);

export const fuseReduceUnsqueeze: Rewrite = {
  name: 'fuse-reduce-unsqueeze',
  exactness: 'exact',
  summary: 'Lets a reduction keep the axes that an Unsqueeze puts back.',
  apply: eachNode(['Unsqueeze'], (node, site) => {
    const reduction = site.editor.producer(node.inputs[0] ?? '');
    if (reduction === undefined || !REDUCTIONS.some((op) => isOp(reduction, op))) return false;
    const rank = site.shape(reduction.inputs[0])?.length;
    if (
      rank === undefined ||
      getInt(reduction, 'keepdims', 1) !== 0 ||
      site.soleReader(node.inputs[0] ?? '') === undefined
    ) {
      return false;
    }
    const [dropped, added] = [axesOf(reduction, site, rank), axesOf(node, site, rank)];
    if (dropped === undefined || dropped.length === 0 || dropped.join() !== added?.join()) return false;
    const { attributes } = withAttributes(reduction, [intAttribute('keepdims', 1)]);
    site.editor.remove(node);
    site.editor.setType(reduction.outputs[0] ?? '', null);
    site.editor.update(reduction, { outputs: node.outputs, attributes });
    return true;
  }),
};
