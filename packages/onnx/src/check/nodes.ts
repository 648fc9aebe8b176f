/** Checks one node against the operator's schema. */
import { suggest } from '@slipway/core';
import { MS_DOMAIN, type Node, opName } from '../ir/node.ts';
import { NEWEST_KNOWN_OPSET, type OperatorSchema, type SchemaTable } from './schemas.ts';
import type { Report } from './problem.ts';

/** Domains whose operators ONNX Runtime has; those of com.microsoft have no public schema to check against. */
const KNOWN_DOMAINS = [
  '',
  'ai.onnx.ml',
  'ai.onnx.training',
  'ai.onnx.preview',
  'ai.onnx.preview.training',
  MS_DOMAIN,
  'com.microsoft.nchwc',
];

export interface NodeRules {
  readonly schemas: SchemaTable;
  readonly opsets: ReadonlyMap<string, number>;
  /** `domain.name` of model-local functions. */
  readonly functions: ReadonlySet<string>;
}

export function checkNode(node: Node, where: string, rules: NodeRules, report: Report): void {
  const invalid = (problem: string): void => report({ where, problem, kind: 'invalid' });
  const unsupported = (problem: string): void => report({ where, problem, kind: 'unsupported' });
  if (node.op === '') {
    invalid('has no operator');
    return;
  }
  const domain = node.domain === '' ? 'ai.onnx' : node.domain;
  const opset = rules.opsets.get(node.domain);
  if (opset === undefined) invalid(`uses domain "${domain}", which the model does not import`);
  if (rules.functions.has(`${node.domain}.${node.op}`)) return;
  if (!KNOWN_DOMAINS.includes(node.domain)) {
    unsupported(`${opName(node)} is a custom operator: domain "${domain}" is not one that ONNX Runtime knows`);
    return;
  }
  if (opset === undefined || (node.domain !== '' && node.domain !== 'ai.onnx.ml')) return;
  if (!rules.schemas.has(node.domain, node.op)) {
    invalid(`${opName(node)} is not an operator of domain "${domain}"`);
    return;
  }
  if (node.domain === '' && opset > NEWEST_KNOWN_OPSET) return;
  const schema = rules.schemas.find(node.domain, node.op, opset);
  if (schema === undefined) {
    invalid(`${opName(node)} does not exist in opset ${opset} of domain "${domain}"`);
    return;
  }
  if (schema.deprecated) {
    invalid(`${opName(node)} was removed in opset ${schema.since} of domain "${domain}"; the model imports ${opset}`);
    return;
  }
  checkArity(node, schema, invalid);
  checkAttributes(node, schema, invalid);
}

const range = ([low, high]: readonly [number, number]): string =>
  low === high ? `${low}` : high === Infinity ? `at least ${low}` : `${low} to ${high}`;

function checkArity(node: Node, schema: OperatorSchema, invalid: (problem: string) => void): void {
  const check = (what: 'inputs' | 'outputs'): void => {
    const count = node[what].length;
    const [low, high] = schema[what];
    if (count < low || count > high) {
      invalid(`has ${count} ${what}, ${node.op} (since opset ${schema.since}) takes ${range(schema[what])}`);
    }
  };
  check('inputs');
  check('outputs');
}

function checkAttributes(node: Node, schema: OperatorSchema, invalid: (problem: string) => void): void {
  for (const [name, attribute] of node.attributes) {
    const expected = schema.attributes.get(name);
    if (expected === undefined) {
      invalid(
        `has the attribute "${name}", which ${node.op} (since opset ${schema.since}) does not have${suggest(name, [...schema.attributes.keys()])}`,
      );
    } else if (attribute.kind !== expected.kind && attribute.kind !== 'reference') {
      invalid(`attribute "${name}" is of type ${attribute.kind}, expected ${expected.kind}`);
    }
  }
  for (const [name, { required }] of schema.attributes) {
    if (required && !node.attributes.has(name)) invalid(`lacks the attribute "${name}", which ${node.op} requires`);
  }
}
