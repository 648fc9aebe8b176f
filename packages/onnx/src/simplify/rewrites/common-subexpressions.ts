/** What is computed twice is computed once. */
import type { Attribute } from '../../ir/attribute.ts';
import { MS_DOMAIN, type Node } from '../../ir/node.ts';
import { rawBytes } from '../../ir/elements.ts';
import type { Rewrite, Site } from '../rewrite.ts';

/** Two of these with the same inputs differ, whoever defines them. */
const RANDOM = /Random|Dropout|Bernoulli|Multinomial|Sampl/;
/** Operands in either order give the same bits. */
const COMMUTATIVE = 'Add Mul And Or Xor Equal'.split(' ');
/** A Constant larger than this is left to de-duplication of initializers. */
const MAX_ATTRIBUTE_ELEMENTS = 1024;

export const commonSubexpressions: Rewrite = {
  name: 'eliminate-common-subexpressions',
  exactness: 'exact',
  summary: 'Computes once what several nodes compute from the same inputs.',
  apply(site) {
    const first = new Map<string, Node>();
    let count = 0;
    for (const seen of site.editor.nodes) {
      const node = site.editor.current(seen);
      const key = node === undefined ? undefined : keyOf(node);
      if (node === undefined || key === undefined) continue;
      const known = first.get(key);
      const twin = known === undefined ? undefined : site.editor.current(known);
      if (twin === undefined || keyOf(twin) !== key) first.set(key, node);
      else if (unite(twin, node, site)) count += 1;
    }
    return count;
  },
};

/** Let one of two equal nodes serve the readers of both. */
function unite(first: Node, second: Node, { editor }: Site): boolean {
  const isOutput = (node: Node): boolean => node.outputs.some((name) => name !== '' && editor.isOutput(name));
  // Names of outputs are the model's interface: the node that makes one stays. Two such nodes both stay.
  if (isOutput(second) && isOutput(first)) return false;
  const [kept, gone] = isOutput(second) ? [second, first] : [first, second];
  editor.remove(gone);
  gone.outputs.forEach((name, index) => {
    if (name !== '') editor.replaceUses(name, kept.outputs[index] ?? '');
  });
  return true;
}

function keyOf(node: Node): string | undefined {
  if (node.domain !== '' && node.domain !== MS_DOMAIN) return undefined;
  if (RANDOM.test(node.op) || node.outputs.length === 0) return undefined;
  const attributes: string[] = [];
  for (const attribute of [...node.attributes.values()].sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const text = textOf(attribute);
    if (text === undefined) return undefined;
    attributes.push(`${attribute.name}:${attribute.kind}:${text}`);
  }
  const inputs = COMMUTATIVE.includes(node.op) ? [...node.inputs].sort() : node.inputs;
  const made = node.outputs.map((name) => name !== '');
  return JSON.stringify([node.domain, node.op, node.overload, inputs, made, attributes]);
}

const floatText = (value: number): string => (Object.is(value, -0) ? '-0' : String(value));

function textOf(attribute: Attribute): string | undefined {
  switch (attribute.kind) {
    case 'float':
      return floatText(attribute.value);
    case 'floats':
      return attribute.value.map(floatText).join();
    case 'int':
      return String(attribute.value);
    case 'ints':
      return attribute.value.join();
    case 'string':
      return Buffer.from(attribute.value).toString('hex');
    case 'strings':
      return attribute.value.map((text) => Buffer.from(text).toString('hex')).join();
    case 'tensor': {
      const { dtype, dims, data } = attribute.value;
      if (data.kind === 'external' || data.kind === 'strings') return undefined;
      if (dims.reduce((product, dim) => product * dim, 1) > MAX_ATTRIBUTE_ELEMENTS) return undefined;
      return `${dtype}[${dims.join()}]${Buffer.from(rawBytes(attribute.value)).toString('hex')}`;
    }
    default:
      return undefined;
  }
}
