/** Which operators have an inference rule. */
import type { Node } from '../ir/node.ts';
import { MS_DOMAIN } from '../ir/node.ts';
import type { Rule } from './context.ts';
import { CONTROL_OPERATORS } from './control.ts';
import { convolutionRules } from './convolution.ts';
import { createRules } from './create.ts';
import { elementwiseRules } from './elementwise.ts';
import { indexingRules } from './indexing.ts';
import { layoutRules } from './layout.ts';
import { linearRules } from './linear.ts';
import { microsoftRules, quantizationRules } from './quantization.ts';
import { recurrentRules } from './recurrent.ts';

const standard: Readonly<Record<string, Rule>> = {
  ...elementwiseRules,
  ...linearRules,
  ...convolutionRules,
  ...layoutRules,
  ...indexingRules,
  ...createRules,
  ...quantizationRules,
  ...recurrentRules,
};

export function ruleOf(node: Node): Rule | undefined {
  const rules = node.domain === '' ? standard : node.domain === MS_DOMAIN ? microsoftRules : {};
  return Object.hasOwn(rules, node.op) ? rules[node.op] : undefined;
}

/** Operators whose output types are inferred, `domain.Name` outside of the standard set; sorted. */
export const SHAPE_INFERENCE_OPERATORS: readonly string[] = [
  ...[...Object.keys(standard), ...CONTROL_OPERATORS].sort(),
  ...Object.keys(microsoftRules)
    .sort()
    .map((name) => `${MS_DOMAIN}.${name}`),
];
