/** What + − × ÷ with a constant per channel does to a value: a scale (null for 1) and a shift. */
import type { Node } from '../../ir/node.ts';
import type { Site } from '../rewrite.ts';
import { channelOperand } from './operands.ts';

export function affineWith(
  node: Node,
  value: string,
  rank: number,
  channels: number,
  site: Site,
): { readonly scale: Float64Array | null; readonly shift: Float64Array } | undefined {
  const operand = channelOperand(node, value, rank, channels, site);
  if (operand === undefined) return undefined;
  const { data, first } = operand;
  const none = new Float64Array(channels);
  switch (node.op) {
    case 'Add':
      return { scale: null, shift: data };
    case 'Mul':
      return { scale: data, shift: none };
    case 'Sub':
      return first
        ? { scale: null, shift: data.map((element) => -element) }
        : { scale: new Float64Array(channels).fill(-1), shift: data };
    case 'Div':
      return first ? { scale: data.map((element) => 1 / element), shift: none } : undefined;
    default:
      return undefined;
  }
}
