/**
 * Moves a Transpose behind elementwise operators where it then meets another one (which `merge-transposes` unites with
 * it), or where several that reorder alike become one. Elsewhere it stays: moving alone would buy nothing.
 */
import { intsAttribute } from '../../ir/attribute.ts';
import { createNode, type Node } from '../../ir/node.ts';
import { countOf } from '../../ir/elements.ts';
import { evaluate } from '../evaluate/evaluate.ts';
import { eachNode, isScalar, onlyFirstOutput, type Rewrite, type Site } from '../rewrite.ts';
import { BROADCASTING, UNARY } from './elementwise.ts';
import { inverse, type Permutation, permutationOf, samePermutation } from './permutation.ts';

/** Longest run of elementwise operators looked through. */
const MAX_RUN = 32;

export const sinkTransposes: Rewrite = {
  name: 'sink-transposes',
  exactness: 'exact',
  summary: 'Moves a Transpose behind elementwise operators to where it cancels or unites with another.',
  apply: eachNode([...UNARY, ...BROADCASTING], (node, site) => {
    const [output = ''] = node.outputs;
    if (!onlyFirstOutput(node) || output === '' || site.editor.isOutput(output)) return false;
    const operands = transposedOperands(node, site);
    if (operands === undefined) return false;
    const { perm, inputs, transposes } = operands;
    if (transposes < 2 && !meetsTranspose(output, perm, site)) return false;
    const before = site.editor.uniqueName(`${output}_untransposed`);
    const moved = createNode('Transpose', [before], [output], {
      name: site.editor.uniqueNodeName(`${output}_transpose`),
      attributes: [intsAttribute('perm', perm)],
    });
    const updated = site.editor.update(node, { inputs: inputs(), outputs: [before] });
    site.editor.insertAfter(updated, moved);
    return true;
  }),
};

interface Operands {
  readonly perm: Permutation;
  /** How many Transposes only this node reads. */
  readonly transposes: number;
  /** Names of the operands in the order of axes before the Transpose. Makes constants that did not exist. */
  readonly inputs: () => string[];
}

/** The operands of a node before they are transposed, when all are transposed alike, or constant. */
function transposedOperands(node: Node, site: Site): Operands | undefined {
  const onlyFirst = UNARY.includes(node.op);
  let perm: Permutation | undefined;
  const soles = new Set<string>();
  const constants: string[] = [];
  for (const [index, name] of node.inputs.entries()) {
    if (name === '' || (onlyFirst && index > 0)) continue;
    if (site.constant(name) !== undefined) {
      constants.push(name);
      continue;
    }
    const own = permutationOf(site.editor.producer(name), site);
    if (own === undefined || (perm !== undefined && !samePermutation(own, perm))) return undefined;
    perm = own;
    // An operand with other readers keeps its Transpose: nothing would be saved by a second one.
    const readers = site.editor.consumers(name);
    if (site.editor.isOutput(name) || readers.length !== 1) return undefined;
    soles.add(name);
  }
  if (perm === undefined) return undefined;
  const order = perm;
  const turned = new Map<string, () => string>();
  for (const name of constants) {
    const make = turnedConstant(name, order, site);
    if (make === undefined) return undefined;
    turned.set(name, make);
  }
  const inputs = (): string[] =>
    node.inputs.map((name) => {
      const constant = turned.get(name);
      if (constant !== undefined) return constant();
      return soles.has(name) ? (site.editor.producer(name)?.inputs[0] ?? name) : name;
    });
  return { perm: order, transposes: soles.size, inputs };
}

/** Makes the constant operand as it has to be before the Transpose; undefined when that cannot be said. */
function turnedConstant(name: string, perm: Permutation, site: Site): (() => string) | undefined {
  const constant = site.constant(name);
  if (constant === undefined || constant.dims.length > perm.length) return undefined;
  if (isScalar(constant)) return () => name;
  const dims = [...new Array<number>(perm.length - constant.dims.length).fill(1), ...constant.dims];
  if (countOf(constant) * 8 > site.limits.maxFoldedBytes) return undefined;
  const transpose = createNode('Transpose', ['full'], ['turned'], {
    attributes: [intsAttribute('perm', inverse(perm))],
  });
  const full = Object.freeze({ ...constant, dims: Object.freeze(dims) });
  const value = evaluate(transpose, [full], site.opset, () => true);
  if (value === undefined) return undefined;
  return () => {
    const made = site.editor.uniqueName(`${name}_turned`);
    site.editor.setInitializer(Object.freeze({ ...value, name: made }));
    return made;
  };
}

/** True when everything that reads `name`, behind more elementwise operators perhaps, is a Transpose. */
function meetsTranspose(name: string, perm: Permutation, site: Site): boolean {
  let at = name;
  for (let step = 0; step < MAX_RUN; step++) {
    if (site.editor.isOutput(at)) return false;
    const readers = site.editor.consumers(at);
    if (readers.length > 0 && readers.every((reader) => permutationOf(reader, site) !== undefined)) return true;
    const next = site.soleReader(at);
    if (next?.domain !== '' || !onlyFirstOutput(next)) return false;
    const first = next.inputs[0] === at;
    const others = next.inputs.filter((input) => input !== at && input !== '');
    const passes =
      (UNARY.includes(next.op) && first) ||
      (BROADCASTING.includes(next.op) && others.every((input) => turnedConstant(input, perm, site) !== undefined));
    if (!passes) return false;
    at = next.outputs[0] ?? '';
  }
  return false;
}
