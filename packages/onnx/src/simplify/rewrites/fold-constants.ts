/** Nodes whose inputs are all constant become what they compute. See `evaluate/` for which operators. */
import { byteLengthOf } from '../../ir/elements.ts';
import { tensorAttribute } from '../../ir/attribute.ts';
import { createNode, type Node } from '../../ir/node.ts';
import { evaluate, EVALUATED, EVALUATED_FUNCTIONS } from '../evaluate/evaluate.ts';
import { eachNode, type Rewrite, type Site } from '../rewrite.ts';

export const foldConstants: Rewrite = {
  name: 'fold-constants',
  exactness: 'exact',
  summary: 'Evaluates nodes whose inputs are all constant, where that does not make the model larger.',
  apply: eachNode(EVALUATED, fold),
};

export const foldFunctions: Rewrite = {
  name: 'fold-functions',
  exactness: 'rounding',
  summary: 'Evaluates Pow, Exp, Erf and other functions of constants, to a unit in the last place.',
  apply: eachNode(EVALUATED_FUNCTIONS, fold),
};

function fold(node: Node, site: Site): boolean {
  const [output = ''] = node.outputs;
  // A constant that is an output stays a node: not every runtime takes an initializer for an output.
  if (node.op === 'Constant' && site.editor.isOutput(output)) return false;
  const inputs = node.inputs.map((name) => site.constant(name));
  if (inputs.some((input, index) => input === undefined && node.inputs[index] !== '')) return false;
  const result = evaluate(node, inputs, site.opset, (bytes) => !site.grows(bytes, node.inputs));
  // A Constant node holds its value already; any other must not make the model larger.
  if (result === undefined || (node.op !== 'Constant' && site.grows(byteLengthOf(result), node.inputs))) return false;
  if (node.op !== 'Constant') site.limits.spend(site.growth(byteLengthOf(result), node.inputs));
  if (site.editor.isOutput(output)) {
    const value = tensorAttribute('value', Object.freeze({ ...result, name: '' }));
    site.editor.replace(node, createNode('Constant', [], [output], { name: node.name, attributes: [value] }));
    return true;
  }
  site.editor.remove(node);
  site.editor.setType(output, null);
  site.editor.setInitializer(result);
  return true;
}
