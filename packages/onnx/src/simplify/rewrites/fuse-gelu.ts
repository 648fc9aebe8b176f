/** GELU spelt out becomes the operator of the standard set, which has one from version 20 on. */
import { stringAttribute } from '../../ir/attribute.ts';
import { createNode } from '../../ir/node.ts';
import { eachNode, type Rewrite } from '../rewrite.ts';
import { matchGelu } from './gelu.ts';

const FIRST_OPSET = 20;

export const fuseGelu: Rewrite = {
  name: 'fuse-gelu',
  exactness: 'rounding',
  summary: 'Makes one Gelu of GELU spelt out, exact or by tanh (from operator set 20 on).',
  apply: eachNode(['Erf', 'Tanh'], (node, site) => {
    const match = site.opset < FIRST_OPSET ? undefined : matchGelu(node, site);
    if (match === undefined) return false;
    const { x, approximate, last } = match;
    const attributes = approximate === 'none' ? [] : [stringAttribute('approximate', 'tanh')];
    site.editor.replace(last, createNode('Gelu', [x], last.outputs, { name: last.name, attributes }));
    return true;
  }),
};
