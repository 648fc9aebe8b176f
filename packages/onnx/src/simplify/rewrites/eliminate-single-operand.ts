/** Operators over a list go where the list has one member. */
import { bypassing, type Rewrite } from '../rewrite.ts';

export const eliminateSingleOperand: Rewrite = {
  name: 'eliminate-single-operand',
  exactness: 'exact',
  summary: 'Removes Concat, Sum, Mean, Min, Max of one tensor and Split into one part.',
  apply: bypassing(['Concat', 'Sum', 'Mean', 'Min', 'Max', 'Split'], (node) =>
    node.op === 'Split' ? node.outputs.length === 1 : node.inputs.length === 1,
  ),
};
