/**
 * Einsum becomes what it stands for: sums over indices of one operand, a product of matrices over indices of both, and
 * transposes and reshapes around it where the indices do not lie as MatMul wants them. MatMul is what engines have fast
 * kernels for and what quantization looks for.
 */
import { intAttribute, intsAttribute } from '../../ir/attribute.ts';
import type { Attribute } from '../../ir/attribute.ts';
import { createNode, type Node } from '../../ir/node.ts';
import { type Dim, isFixed, UNKNOWN_DIM } from '../../ir/type.ts';
import { eachNode, type Rewrite, type Site } from '../rewrite.ts';
import { type Einsum, parseEinsum, type ProductIndices, productIndices } from './einsum.ts';

/** From here on ReduceSum and Unsqueeze take their axes as an input. */
const FIRST_OPSET = 13;

export const replaceEinsum: Rewrite = {
  name: 'replace-einsum',
  exactness: 'rounding',
  summary: 'Writes an Einsum of one or two values as MatMul, Mul, ReduceSum and Transpose.',
  apply: eachNode(['Einsum'], (node, site) => {
    const einsum = site.opset < FIRST_OPSET ? undefined : parseEinsum(node);
    const sizes = einsum && sizesOf(einsum, node, site);
    if (einsum === undefined || sizes === undefined) return false;
    const writer = new Writer(node, site);
    const { output } = einsum;
    const elsewhere = (operand: number): string[] => [...output, ...(einsum.operands[1 - operand] ?? [])];
    const values = einsum.operands.map((indices, operand) => ({ name: node.inputs[operand] ?? '', indices }));
    const kept = values.map(({ indices }, operand) => indices.filter((index) => elsewhere(operand).includes(index)));
    const parts = productIndices(kept, output);
    const [reshapes, isPossible] = reshapesOf(parts, sizes);
    if (values.length === 2 && parts.inner.length > 0 && !isPossible) return false;
    const summed = values.map((value, operand) => writer.sum(value, kept[operand] ?? []));
    const [a, b] = summed;
    if (a === undefined) return false;
    const result =
      b === undefined
        ? a
        : parts.inner.length === 0
          ? writer.outer(a, b, parts)
          : writer.product(a, b, parts, reshapes);
    writer.finish(writer.arrange(result, output));
    return true;
  }),
};

/** Size of each index (of one of the operands, where it is kept); undefined where they are not known to agree on one summed over. */
function sizesOf({ operands, output }: Einsum, node: Node, site: Site): ReadonlyMap<string, Dim> | undefined {
  const sizes = new Map<string, Dim>();
  for (const [operand, indices] of operands.entries()) {
    const type = site.type(node.inputs[operand]);
    if (type?.shape?.length !== indices.length || (type.dtype !== 'float32' && type.dtype !== 'float64')) {
      return undefined;
    }
    for (const [axis, index] of indices.entries()) {
      const dim = type.shape[axis] ?? UNKNOWN_DIM;
      const known = sizes.get(index);
      const isSummed = known !== undefined && !output.includes(index);
      // MatMul broadcasts over what is kept. Over what is summed it does not, and Einsum does; and a 0 means "copied" to Reshape.
      if (dim === 0 || (isSummed && (known !== dim || dim === UNKNOWN_DIM))) return undefined;
      sizes.set(index, dim);
    }
  }
  return sizes;
}

interface Reshapes {
  /** null: the axes lie as they should. */
  readonly left: readonly number[] | null;
  readonly right: readonly number[] | null;
  readonly result: readonly number[] | null;
}

/** Targets that unite the axes of each kind before the product and split them after; and whether they can be written. */
function reshapesOf(
  { batch, inner, rows, columns }: ProductIndices,
  sizes: ReadonlyMap<string, Dim>,
): [Reshapes, boolean] {
  const united = (indices: readonly string[]): number => {
    const dims = indices.map((index) => sizes.get(index) ?? UNKNOWN_DIM);
    return dims.every(isFixed) ? dims.reduce((product, dim) => product * dim, 1) : -1;
  };
  const copied = batch.map(() => 0);
  const single = (indices: readonly string[]): boolean => indices.length === 1;
  const each = (index: string): number => united([index]);
  const right = single(inner) && single(columns) ? null : [...copied, united(inner), united(columns)];
  // Without a batch, MatMul takes rows over any number of axes as they are; with one, they are united.
  const free = batch.length === 0 && rows.length > 0;
  const same = free ? rows.map(() => 0) : copied;
  const left =
    single(inner) && (free || single(rows)) ? null : [...same, ...(free ? [] : [united(rows)]), united(inner)];
  // A single row index lies behind the batch before and after, so it may be copied.
  const restored = free ? [] : single(rows) ? [0] : rows.map(each);
  const result = single(columns) && (free || single(rows)) ? null : [...same, ...restored, ...columns.map(each)];
  const isPossible = [left, right, result].every(
    (target) => target === null || target.filter((dim) => dim === -1).length <= 1,
  );
  return [{ left, right, result }, isPossible];
}

interface Value {
  readonly name: string;
  readonly indices: readonly string[];
}

/** Writes nodes before the one that goes. Nothing is written for what changes nothing. */
class Writer {
  readonly #node: Node;
  readonly #site: Site;
  readonly #made = new Set<string>();

  constructor(node: Node, site: Site) {
    this.#node = node;
    this.#site = site;
  }

  #op(op: string, inputs: readonly string[], ...attributes: readonly Attribute[]): string {
    const { editor } = this.#site;
    const name = editor.uniqueName(`${this.#node.outputs[0] ?? ''}_${op.toLowerCase()}`);
    editor.insertBefore(this.#node, createNode(op, inputs, [name], { name: editor.uniqueNodeName(name), attributes }));
    this.#made.add(name);
    return name;
  }
  #longs(values: readonly number[]): string {
    return this.#site.addLongs(`${this.#node.outputs[0] ?? ''}_axes`, values);
  }
  #reshape(name: string, target: readonly number[] | null): string {
    return target === null ? name : this.#op('Reshape', [name, this.#longs(target)]);
  }
  #unsqueeze(name: string, axes: readonly number[]): string {
    return axes.length === 0 ? name : this.#op('Unsqueeze', [name, this.#longs(axes)]);
  }

  /** Over all indices that are not `kept`. */
  sum({ name, indices }: Value, kept: readonly string[]): Value {
    const axes = indices.flatMap((index, axis) => (kept.includes(index) ? [] : [axis]));
    if (axes.length === 0) return { name, indices };
    return { name: this.#op('ReduceSum', [name, this.#longs(axes)], intAttribute('keepdims', 0)), indices: kept };
  }
  arrange({ name, indices }: Value, order: readonly string[]): Value {
    const perm = order.map((index) => indices.indexOf(index));
    if (perm.every((axis, index) => axis === index)) return { name, indices };
    return { name: this.#op('Transpose', [name], intsAttribute('perm', perm)), indices: order };
  }
  product(
    a: Value,
    b: Value,
    { batch, inner, rows, columns }: ProductIndices,
    { left, right, result }: Reshapes,
  ): Value {
    const first = this.#reshape(this.arrange(a, [...batch, ...rows, ...inner]).name, left);
    const second = this.#reshape(this.arrange(b, [...batch, ...inner, ...columns]).name, right);
    const name = this.#reshape(this.#op('MatMul', [first, second]), result);
    return { name, indices: [...batch, ...rows, ...columns] };
  }
  /** Nothing is summed over: an elementwise product, with ones put where an operand lacks an index. */
  outer(a: Value, b: Value, { batch, rows, columns }: ProductIndices): Value {
    const axes = (count: number, from: number): number[] => Array.from({ length: count }, (_, index) => from + index);
    const first = this.arrange(a, [...batch, ...rows]).name;
    const second = this.arrange(b, [...batch, ...columns]).name;
    const name = this.#op('Mul', [
      this.#unsqueeze(first, axes(columns.length, batch.length + rows.length)),
      this.#unsqueeze(second, axes(rows.length, batch.length)),
    ]);
    return { name, indices: [...batch, ...rows, ...columns] };
  }
  /** Give the value the name that the node made. */
  finish({ name }: Value): void {
    const { editor } = this.#site;
    const [output = ''] = this.#node.outputs;
    const last = this.#made.has(name) ? editor.producer(name) : undefined;
    editor.remove(this.#node);
    if (last !== undefined) editor.update(last, { outputs: [output] });
    else editor.append(createNode('Identity', [name], [output], { name: this.#node.name }));
  }
}
