/**
 * A Pad before a pooling becomes its own padding where both mean the same: zeros for an average that counts them, the
 * smallest value for a maximum; zeros for a maximum only when nothing below zero can come in.
 */
import { intAttribute, intsAttribute } from '../../ir/attribute.ts';
import { getInt, getInts, isOp, type Node, withAttributes } from '../../ir/node.ts';
import { eachNode, onlyAttributes, onlyFirstOutput, type Rewrite, type Site } from '../rewrite.ts';
import { paddedBy, paddingBehind } from './padding.ts';

const POOLING = 'kernel_shape strides pads auto_pad dilations ceil_mode count_include_pad storage_order'.split(' ');

/** Operators that give nothing below zero. */
const NOT_NEGATIVE = ['Relu', 'Sigmoid', 'Softplus', 'Abs', 'Sqrt', 'Exp', 'Softmax', 'HardSigmoid'];

export const fusePadIntoPool: Rewrite = {
  name: 'fuse-pad-into-pool',
  exactness: 'rounding',
  summary: 'Puts a Pad into the pads of the AveragePool or MaxPool after it, where both pad with the same.',
  apply: eachNode(['AveragePool', 'MaxPool'], (node, site) => {
    const padding = paddingBehind(node.inputs[0], site);
    const kernel = getInts(node, 'kernel_shape');
    if (padding === undefined || kernel === undefined || !onlyFirstOutput(node) || !isPlain(node)) return false;
    const pads = paddedBy(node, padding.pads);
    // A window must not lie in the padding alone.
    if (pads === undefined || pads.some((pad, index) => pad >= (kernel[index % kernel.length] ?? 0))) return false;
    const average = node.op === 'AveragePool';
    if (!(average ? countsPadding(node) && padding.value === 0 : isNeutral(padding.value, padding.source, site))) {
      return false;
    }
    const set = [intsAttribute('pads', pads), ...(average ? [intAttribute('count_include_pad', 1)] : [])];
    const { attributes } = withAttributes(node, set, ['auto_pad']);
    site.editor.update(node, { inputs: [padding.source], attributes });
    return true;
  }),
};

const isPlain = (node: Node): boolean =>
  onlyAttributes(node, ...POOLING) &&
  getInt(node, 'ceil_mode', 0) === 0 &&
  (getInts(node, 'dilations') ?? []).every((dilation) => dilation === 1);

/** True when the average divides by the size of the window whether or not padding is in it. */
const countsPadding = (node: Node): boolean =>
  getInt(node, 'count_include_pad', 0) === 1 || (getInts(node, 'pads') ?? []).every((pad) => pad === 0);

/** True when the value never wins a maximum over what comes from `source`. */
function isNeutral(value: number, source: string, site: Site): boolean {
  if (value === -Infinity) return true;
  const producer = site.editor.producer(source);
  return value <= 0 && producer !== undefined && NOT_NEGATIVE.some((op) => isOp(producer, op));
}
