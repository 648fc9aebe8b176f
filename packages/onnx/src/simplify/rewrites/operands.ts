/** The constant operand of a binary operator, seen as one value per channel. */
import type { Node } from '../../ir/node.ts';
import type { Site } from '../rewrite.ts';
import { perChannel } from '../weights.ts';

/** Which operand is `value`, and what the other is per channel (axis 1); undefined where it is anything else. */
export function channelOperand(
  node: Node,
  value: string,
  rank: number,
  channels: number,
  site: Site,
): { readonly data: Float64Array; readonly first: boolean } | undefined {
  const [a = '', b = ''] = node.inputs;
  if (node.inputs.length !== 2 || a === b || (a !== value && b !== value)) return undefined;
  const constant = site.constant(a === value ? b : a);
  const data = constant === undefined ? undefined : perChannel(constant, rank, 1, channels);
  return data === undefined ? undefined : { data, first: a === value };
}
