/**
 * Which operator attention becomes, and the nodes for it.
 *
 * From operator set 23 on the standard `Attention`, which ONNX Runtime computes no slower than its own and other engines have
 * too. Before that, `GroupQueryAttention` where queries share keys and values and the kernel takes the sizes, `MultiHeadAttention`
 * where each has its own. What fits none stays as it is: keys written out once per query cost what the operator would save.
 */
import { type Attribute, floatAttribute, intAttribute } from '../ir/attribute.ts';
import { initializerOf } from '../ir/initializer.ts';
import { createNode, isOp, MS_DOMAIN, withAttributes, withNode } from '../ir/node.ts';
import { UNKNOWN_DIM } from '../ir/type.ts';
import type { Site } from '../simplify/rewrite.ts';
import type { AttentionMatch } from './attention.ts';
import type { Heads } from './heads.ts';

const FIRST_STANDARD_OPSET = 23;
/** `GroupQueryAttention` takes no other widths of a head. */
const WIDTH_STEP = 8;
const INT32 = 6;
/** Any score added to it is lost in rounding. */
const LEAST_BIAS = -1e30;

/** False, and nothing changed, when no operator takes this. */
export function emitAttention(match: AttentionMatch, site: Site): boolean {
  const emit = new Emitter(match, site);
  if (site.opset >= FIRST_STANDARD_OPSET) return emit.standard();
  return match.key.repeats > 1 ? emit.grouped() : emit.multiHead();
}

class Emitter {
  readonly #match: AttentionMatch;
  readonly #site: Site;

  constructor(match: AttentionMatch, site: Site) {
    this.#match = match;
    this.#site = site;
  }

  multiHead(): boolean {
    const { query, scale, mask, bias } = this.#match;
    const attributes: Attribute[] = [intAttribute('num_heads', query.heads), floatAttribute('scale', scale)];
    if (mask?.kind === 'causal') attributes.push(intAttribute('unidirectional', 1));
    if (mask?.kind === 'padding') attributes.push(floatAttribute('mask_filter_value', mask.filter));
    const padding = mask?.kind === 'padding' ? this.#int32(mask.source) : '';
    this.#replace('MultiHeadAttention', MS_DOMAIN, ['', padding, bias ?? ''], attributes);
    return true;
  }

  /** Without cached keys, all rows are as long as the queries: both lengths are given as that. */
  grouped(): boolean {
    const { query, key, value, scale, mask } = this.#match;
    const [queries, keys] = [query, key].map((heads) => this.#site.shape(heads.value)?.[1] ?? UNKNOWN_DIM);
    const isTaken =
      query.width % WIDTH_STEP === 0 && query.width === value.width && queries === keys && queries !== UNKNOWN_DIM;
    const bias = isTaken ? this.#fullBias() : undefined;
    if (bias === undefined) return false;
    const attributes: Attribute[] = [
      intAttribute('num_heads', query.heads),
      intAttribute('kv_num_heads', key.heads / key.repeats),
      floatAttribute('scale', scale),
    ];
    // Causal is what it is by default.
    if (mask?.kind !== 'causal') attributes.push(intAttribute('causal', 0));
    const shape = this.#shape();
    const length = this.#node('Gather', [shape, this.#scalar(1)], 'sequence_length');
    const last = this.#int32(this.#node('Sub', [length, this.#scalar(1)], 'last_position'));
    const rows = this.#node('Gather', [shape, this.#site.addLongs('batch_axis', [0])], 'batch_size');
    const lengths = this.#node('Expand', [last, rows], 'last_positions');
    const inputs = ['', '', lengths, this.#int32(length), '', '', '', bias];
    this.#replace('GroupQueryAttention', MS_DOMAIN, inputs, attributes);
    return true;
  }

  standard(): boolean {
    const { query, key, scale, mask } = this.#match;
    const bias = this.#fullBias();
    if (bias === undefined) return false;
    const attributes: Attribute[] = [
      intAttribute('q_num_heads', query.heads),
      intAttribute('kv_num_heads', key.heads / key.repeats),
      floatAttribute('scale', scale),
    ];
    if (mask?.kind === 'causal') attributes.push(intAttribute('is_causal', 1));
    this.#replace('Attention', '', [bias === '' ? '' : this.#bounded(bias)], attributes);
    return true;
  }

  /** What is added to the scores, its last two axes not broadcast; '' for nothing, undefined where it cannot be had. */
  #fullBias(): string | undefined {
    const { mask, bias, added } = this.#match;
    if (mask?.kind !== 'padding') return bias ?? '';
    const shape = this.#site.shape(added);
    if (added === undefined || shape?.length !== 4) return undefined;
    const one = this.#site.addLongs('one', [1]);
    const queries = this.#node('Gather', [this.#shape(), one], 'sequence_size');
    const sizes = this.#node('Concat', [one, one, queries, one], 'mask_sizes', intAttribute('axis', 0));
    return this.#node('Expand', [added, sizes], `${added}_expanded`);
  }

  /**
   * The standard operator gives zeros for a query that sees nothing, and takes the lowest number for a sign of that. What was
   * spelt out gives the mean of all values: so does the operator for a number that is as good as the lowest.
   */
  #bounded(bias: string): string {
    const floor = this.#site.editor.uniqueName('attention_floor');
    const data = Float32Array.of(LEAST_BIAS);
    this.#site.editor.setInitializer(initializerOf(floor, { dtype: 'float32', shape: [], data }));
    return this.#node('Max', [bias, floor], `${bias}_bounded`);
  }

  /** The shape of a value whose first two axes are those of the queries: of an input where there is one, as all layers share it. */
  #shape(): string {
    const { query } = this.#match;
    const [batch, queries] = this.#site.shape(query.value) ?? [];
    const known = this.#site.editor.inputs.find(({ name }) => {
      const shape = this.#site.shape(name);
      return shape?.[0] === batch && shape?.[1] === queries && batch !== UNKNOWN_DIM && queries !== UNKNOWN_DIM;
    });
    return this.#node('Shape', [known?.name ?? query.value], 'shape');
  }

  #replace(op: string, domain: string, more: readonly string[], attributes: readonly Attribute[]): void {
    const { last, query, key, value } = this.#match;
    const inputs = [...[query, key, value].map((heads) => this.#united(heads)), ...more];
    while (inputs.at(-1) === '') inputs.pop();
    this.#site.editor.replace(last, createNode(op, inputs, last.outputs, { name: last.name, domain, attributes }));
  }

  /** The heads side by side again, with positions turned in there. */
  #united({ value, heads, repeats, rotary }: Heads): string {
    if (rotary === undefined) return value;
    const name = this.#site.editor.uniqueName(`${value}_rotary`);
    const count = isOp(rotary, 'RotaryEmbedding') ? [intAttribute('num_heads', heads / repeats)] : [];
    const node = withNode(withAttributes(rotary, count), {
      name: this.#site.editor.uniqueNodeName(name),
      inputs: [value, ...rotary.inputs.slice(1)],
      outputs: [name],
    });
    this.#site.editor.insertBefore(this.#match.last, node);
    return name;
  }

  /** `name` in the type the operators take lengths and masks in. One Cast per use: equal ones are united afterwards. */
  #int32(name: string): string {
    if (this.#site.type(name)?.dtype === 'int32') return name;
    return this.#node('Cast', [name], `${name}_int32`, intAttribute('to', INT32));
  }
  #scalar(value: number): string {
    const name = this.#site.editor.uniqueName('scalar');
    const data = BigInt64Array.of(BigInt(value));
    this.#site.editor.setInitializer(initializerOf(name, { dtype: 'int64', shape: [], data }));
    return name;
  }
  #node(op: string, inputs: readonly string[], base: string, ...attributes: readonly Attribute[]): string {
    const { editor } = this.#site;
    const name = editor.uniqueName(base);
    const options = { name: editor.uniqueNodeName(name), attributes };
    editor.insertBefore(this.#match.last, createNode(op, inputs, [name], options));
    return name;
  }
}
