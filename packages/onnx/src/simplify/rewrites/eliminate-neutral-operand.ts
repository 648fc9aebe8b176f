/** Multiplying by one and the like goes. */
import type { Initializer } from '../../ir/initializer.ts';
import { eachNode, type Rewrite } from '../rewrite.ts';
import { handOn, operandHandedOn } from './neutral.ts';

const isFloat = ({ dtype }: Initializer): boolean => dtype.startsWith('float');

/** What leaves the other operand as it is, bit for bit. Adding +0 to a float does not: it makes −0 into +0. */
const NEUTRAL: Readonly<Record<string, { commutes: boolean; value: (constant: Initializer) => number | undefined }>> = {
  Mul: { commutes: true, value: () => 1 },
  Div: { commutes: false, value: () => 1 },
  Pow: { commutes: false, value: () => 1 },
  Add: { commutes: true, value: (constant) => (isFloat(constant) ? -0 : 0) },
  Sub: { commutes: false, value: () => 0 },
  And: { commutes: true, value: () => 1 },
  Or: { commutes: true, value: () => 0 },
};

export const eliminateNeutralOperand: Rewrite = {
  name: 'eliminate-neutral-operand',
  exactness: 'exact',
  summary: 'Removes × 1, ÷ 1, − 0, integer + 0, and true, or false.',
  apply: eachNode(Object.keys(NEUTRAL), (node, site) => {
    const rule = NEUTRAL[node.op];
    if (rule === undefined) return false;
    const index = operandHandedOn(node, site, rule.value, rule.commutes);
    // Pow may take an exponent of another type; the result has that of the base.
    return index !== undefined && handOn(node, index, site);
  }),
};
