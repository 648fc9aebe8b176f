/**
 * Rotary positions: x · cos + turned(x) · sin, where the two halves of each head turn against each other, or neighbours do.
 *
 * The operator takes tables with half as many columns, as both elements of a pair turn by one angle. Which elements are a
 * pair follows from how x is turned; that both have the same cosine and sine must follow from how those are made. The tables need not be
 * constant: where angles are computed from positions, half of what was computed becomes the table, one row per position.
 */
import { initializerOf } from '../ir/initializer.ts';
import { intAttribute } from '../ir/attribute.ts';
import { createNode, MS_DOMAIN, type Node } from '../ir/node.ts';
import { isFixed, type Shape, UNKNOWN_DIM } from '../ir/type.ts';
import { madeBy, otherOperand } from '../simplify/pattern.ts';
import { eachNode, type Rewrite, type Site } from '../simplify/rewrite.ts';
import { isDoubled, type Pairing, turned } from './pairs.ts';

export const fuseRotary: Rewrite = {
  name: 'rotary-embedding',
  exactness: 'rounding',
  summary: 'Rotary positions spelt out, by halves or by neighbours, become `RotaryEmbedding`.',
  apply: eachNode(['Add'], (node, site) => {
    const match = rotation(node, site);
    if (match === undefined) return false;
    const { x, cosine, sine, pairing } = match;
    const width = site.shape(x)?.at(-1);
    if (!isFixed(width)) return false;
    const before = new Inserter(site, node);
    const [cosines, sines] = [cosine, sine].map((name) => before.table(name, width, pairing));
    const positions = before.positions(cosine, cosines ?? '');
    const inputs = [x, positions, cosines ?? '', sines ?? ''];
    const attributes = [intAttribute('interleaved', pairing === 'neighbours' ? 1 : 0)];
    site.editor.replace(
      node,
      createNode('RotaryEmbedding', inputs, node.outputs, { name: node.name, domain: MS_DOMAIN, attributes }),
    );
    return true;
  }),
};

interface Rotation {
  /** [batch, heads, sequence, width] */
  readonly x: string;
  /** [batch or 1, 1, sequence, width], or less axes. */
  readonly cosine: string;
  readonly sine: string;
  readonly pairing: Pairing;
}

function rotation(sum: Node, site: Site): Rotation | undefined {
  const products = sum.inputs.map((name) => madeBy(site, name, 'Mul'));
  const [first, second] = products;
  if (first === undefined || second === undefined) return undefined;
  for (const [plain, other] of [
    [first, second],
    [second, first],
  ] as const) {
    for (const name of other.inputs) {
      const found = turned(site, name);
      if (found === undefined || !plain.inputs.includes(found.x)) continue;
      const { x, pairing } = found;
      const [cosine, sine] = [otherOperand(plain, x), otherOperand(other, name)];
      const isTable = [cosine, sine].every(
        (table) => fits(site.shape(table), site.shape(x)) && isDoubled(site, table, pairing),
      );
      const same = site.shape(cosine)?.join() === site.shape(sine)?.join();
      if (isTable && same && site.type(x)?.dtype === 'float32') return { x, cosine, sine, pairing };
    }
  }
  return undefined;
}

/** True for [batch or 1, 1, sequence, width] beside [batch, heads, sequence, width]. */
function fits(table: Shape | undefined, x: Shape | undefined): boolean {
  if (x?.length !== 4 || table === undefined || table.length < 2 || table.length > 4) return false;
  const [width, sequence, heads = 1, batch = 1] = table.toReversed();
  if (sequence === UNKNOWN_DIM || batch === UNKNOWN_DIM || heads !== 1) return false;
  return width === x[3] && sequence === x[2] && (batch === 1 || batch === x[0]);
}

/** Puts the small nodes before the operator that make its tables. Equal ones are united afterwards. */
class Inserter {
  readonly #site: Site;
  readonly #before: Node;

  constructor(site: Site, before: Node) {
    this.#site = site;
    this.#before = before;
  }

  /** The first of each pair of columns, one row per position: [rows, width / 2]. */
  table(name: string, width: number, pairing: Pairing): string {
    const last = (this.#site.shape(name)?.length ?? 1) - 1;
    const [end, step] = pairing === 'halves' ? [width / 2, 1] : [width, 2];
    const vectors = [[0], [end], [last], [step]].map((values) => this.#site.addLongs('rotary_slice', values));
    const half = this.#node('Slice', [name, ...vectors], `${name}_half`);
    return this.#node('Reshape', [half, this.#site.addLongs('rotary_shape', [-1, width / 2])], `${name}_table`);
  }

  /** The row of each token: its place, or with a table per row of the batch, its place among all. */
  positions(cosine: string, table: string): string {
    const shape = this.#site.shape(cosine) ?? [];
    if (shape.length < 4 || shape[0] === 1) return this.#site.addLongs('rotary_start', [0]);
    const scalar = (value: number): string => {
      const name = this.#site.editor.uniqueName('rotary_scalar');
      this.#site.editor.setInitializer(
        initializerOf(name, { dtype: 'int64', shape: [], data: BigInt64Array.of(BigInt(value)) }),
      );
      return name;
    };
    const rows = this.#node('Gather', [this.#node('Shape', [table], `${table}_shape`), scalar(0)], `${table}_rows`);
    const all = this.#node('Range', [scalar(0), rows, scalar(1)], `${table}_places`);
    const axes = this.#site.addLongs('rotary_axes', [0, 2]);
    const sizes = this.#node('Gather', [this.#node('Shape', [cosine], `${cosine}_shape`), axes], `${cosine}_sizes`);
    return this.#node('Reshape', [all, sizes], `${cosine}_positions`);
  }

  #node(op: string, inputs: readonly string[], base: string): string {
    const { editor } = this.#site;
    const name = editor.uniqueName(base);
    editor.insertBefore(this.#before, createNode(op, inputs, [name], { name: editor.uniqueNodeName(name) }));
    return name;
  }
}
