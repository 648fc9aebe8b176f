/** Which operators have an inference rule. */
import type { Node } from '../ir/node.ts';
import { MS_DOMAIN } from '../ir/node.ts';
import type { Rule } from './context.ts';
import { classicalRules } from './classical.ts';
import { CONTROL_OPERATORS } from './control.ts';
import { convolutionRules } from './convolution.ts';
import { createRules } from './create.ts';
import { elementwiseRules } from './elementwise.ts';
import { indexingRules } from './indexing.ts';
import { layoutRules } from './layout.ts';
import { linearRules } from './linear.ts';
import { microsoftRules, quantizationRules } from './quantization.ts';
import { recurrentRules } from './recurrent.ts';
import { sequenceRules } from './sequence.ts';
import { specialisedRules } from './specialised.ts';

const standard: Readonly<Record<string, Rule>> = {
  ...elementwiseRules,
  ...linearRules,
  ...convolutionRules,
  ...layoutRules,
  ...indexingRules,
  ...createRules,
  ...quantizationRules,
  ...recurrentRules,
  ...sequenceRules,
  ...specialisedRules,
};

const DOMAINS: Readonly<Record<string, Readonly<Record<string, Rule>>>> = {
  '': standard,
  'ai.onnx.ml': classicalRules,
  [MS_DOMAIN]: microsoftRules,
};

export function ruleOf(node: Node): Rule | undefined {
  const rules = Object.hasOwn(DOMAINS, node.domain) ? DOMAINS[node.domain] : undefined;
  return rules !== undefined && Object.hasOwn(rules, node.op) ? rules[node.op] : undefined;
}

/** Operators whose output types are inferred, `domain.Name` outside of the standard set; sorted per domain. */
export const SHAPE_INFERENCE_OPERATORS: readonly string[] = Object.entries(DOMAINS).flatMap(([domain, rules]) =>
  [...Object.keys(rules), ...(domain === '' ? CONTROL_OPERATORS : [])]
    .sort()
    .map((name) => (domain === '' ? name : `${domain}.${name}`)),
);
