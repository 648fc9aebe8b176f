/**
 * What a rewrite is, and what it may know of the graph it changes.
 *
 * Fail closed: a rewrite acts only where everything it relies on is known, and leaves alone what it does not understand.
 * It reads all it needs before its first edit. A name keeps its type and its value through every rewrite: what is
 * computed may change, what a name stands for never does. That is why types inferred once hold for a whole round.
 */
import { bytesOf, hasCode } from '@slipway/core';
import type { GraphEditor } from '../graph/editor.ts';
import type { KnownValue } from '../infer/context.ts';
import { byteLengthOf, countOf, integersOf } from '../ir/elements.ts';
import { createInitializer, type Initializer, isExternal } from '../ir/initializer.ts';
import type { Node } from '../ir/node.ts';
import { type Shape, tensorType, type TensorType } from '../ir/type.ts';
import type { Facts } from './facts.ts';

/**
 * `exact`: outputs are equal bit for bit for all inputs. `rounding`: equal in real arithmetic, but sums or products are
 * taken in another order, another kernel may be chosen, or a zero may change its sign.
 */
type Exactness = 'exact' | 'rounding';

export interface Rewrite {
  readonly name: string;
  readonly exactness: Exactness;
  /** One sentence for people. */
  readonly summary: string;
  /** Change the graph wherever the rewrite applies; how often it did. */
  apply(site: Site): number;
}

/** How much larger constants may make a model. One per run. */
export class Limits {
  /** Bytes a folded constant may have although what it is made of was smaller. */
  readonly maxFoldedBytes: number;
  #left: number;

  constructor(maxFoldedBytes: number) {
    this.maxFoldedBytes = Math.min(maxFoldedBytes, LARGEST_CONSTANT);
    this.#left = maxFoldedBytes * CONSTANTS_THAT_GROW;
  }
  allows(growth: number): boolean {
    return growth <= Math.min(this.maxFoldedBytes, this.#left);
  }
  spend(growth: number): void {
    this.#left -= Math.max(0, growth);
  }
}

/** So many constants may be as much larger as one may: a hostile graph has a million small ones to fold. */
const CONSTANTS_THAT_GROW = 1024;

/** A constant that a model file can hold: 2 GiB is the most a protobuf message has. */
const LARGEST_CONSTANT = 2 ** 31;

/** One graph (of the model, or of a subgraph) while it is being rewritten. */
export class Site {
  readonly editor: GraphEditor;
  /** Version of the standard operator set. */
  readonly opset: number;
  readonly limits: Limits;
  readonly #facts: Facts;
  readonly #outer: ReadonlySet<string>;
  readonly #overridable: ReadonlySet<string>;

  constructor(editor: GraphEditor, facts: Facts, outer: ReadonlySet<string>, limits: Limits) {
    this.editor = editor;
    this.opset = facts.opset;
    this.limits = limits;
    this.#facts = facts;
    this.#outer = outer;
    // From IR 4 on an initializer that is also an input is a default that the caller may override.
    this.#overridable = new Set(editor.inputs.map(({ name }) => name));
  }

  /** The constant behind a name, here or in a graph around this one. Elements in external data count as unknown. */
  constant(name: string | undefined): Initializer | undefined {
    const found = this.stored(name);
    return found === undefined || isExternal(found) ? undefined : found;
  }
  /** The same with its elements wherever they are: in external data they have to be read. */
  stored(name: string | undefined): Initializer | undefined {
    if (name === undefined || name === '' || this.#overridable.has(name)) return undefined;
    const own = this.editor.initializer(name);
    return own ?? (this.#outer.has(name) ? this.#facts.outerConstant(name) : undefined);
  }
  type(name: string | undefined): TensorType | undefined {
    if (name === undefined || name === '') return undefined;
    const own = this.editor.initializer(name);
    return own === undefined ? this.#facts.type(name) : tensorType(own.dtype, own.dims);
  }
  /** undefined when not even the rank is known. */
  shape(name: string | undefined): Shape | undefined {
    return this.type(name)?.shape ?? undefined;
  }
  /** Elements of a small integer tensor, each a number, a symbol or unknown. */
  known(name: string | undefined): KnownValue | undefined {
    return name === undefined ? undefined : this.#facts.value(name);
  }
  /** The elements of a constant integer tensor. */
  integers(name: string | undefined): readonly number[] | undefined {
    const found = this.constant(name);
    return found === undefined || !/^u?int|^bool/.test(found.dtype) ? undefined : integersOf(found);
  }
  /** A new constant vector of 64-bit integers, named like `base`. */
  addLongs(base: string, values: readonly number[]): string {
    const name = this.editor.uniqueName(base);
    const data = BigInt64Array.from(values, BigInt);
    this.editor.setInitializer(createInitializer(name, 'int64', [values.length], bytesOf(data)));
    return name;
  }
  /** True when several graphs of the model give a value this name. */
  isShared(name: string): boolean {
    return this.#facts.isShared(name);
  }

  /** The node that alone reads `name`, once, as an input; undefined when another reads it or it is an output. */
  soleReader(name: string): Node | undefined {
    const [reader, ...more] = this.editor.consumers(name);
    if (reader === undefined || more.length > 0 || this.editor.isOutput(name)) return undefined;
    // A node with a subgraph may read the name in there as well: replaced wherever it stands, so one input says all.
    const inside = [...reader.attributes.values()].some(({ kind }) => kind === 'graph' || kind === 'graphs');
    return !inside && reader.inputs.filter((input) => input === name).length === 1 ? reader : undefined;
  }
  /** The node that makes `name`, if it is `op` of the standard set and only `reader` uses what it makes. */
  feeder(name: string | undefined, op: string): Node | undefined {
    if (name === undefined || name === '') return undefined;
    const node = this.editor.producer(name);
    const sole = node?.op === op && node.domain === '' && node.outputs[0] === name && onlyFirstOutput(node);
    return sole && this.soleReader(name) !== undefined ? node : undefined;
  }
  /** True when `bytes` of a new constant, made of these, would let the model grow more than it may. */
  grows(bytes: number, sources: readonly string[]): boolean {
    if (bytes > LARGEST_CONSTANT) return true;
    const growth = this.growth(bytes, sources);
    return growth > 0 && !(bytes <= this.limits.maxFoldedBytes && this.limits.allows(growth));
  }
  /** By how many bytes: constants that only one node reads go when it goes. */
  growth(bytes: number, sources: readonly string[]): number {
    let freed = 0;
    for (const name of new Set(sources)) {
      const source = this.editor.initializer(name);
      if (source !== undefined && this.soleReader(name) !== undefined) freed += byteLengthOf(source);
    }
    return bytes - freed;
  }
}

/** True when the node makes nothing but its first output. */
export function onlyFirstOutput(node: Node): boolean {
  return node.outputs.slice(1).every((name) => name === '');
}

/** True when the node has no attribute besides these: an attribute nobody here knows may change what it does. */
export function onlyAttributes(node: Node, ...names: readonly string[]): boolean {
  return [...node.attributes.keys()].every((name) => names.includes(name));
}

/**
 * `apply` of a rewrite that looks at one node at a time: tries `change` on every node of these operators, as it is by
 * then. A node that contradicts its operator (an attribute of another type, a tensor of the wrong size) is left alone.
 */
export function eachNode(ops: readonly string[], change: (node: Node, site: Site) => boolean): Rewrite['apply'] {
  return (site) => {
    let count = 0;
    for (const seen of site.editor.nodes) {
      const node = site.editor.current(seen);
      if (node?.domain !== '' || !ops.includes(node.op)) continue;
      try {
        if (change(node, site)) count += 1;
      } catch (error) {
        if (!hasCode(error, 'MODEL_INVALID')) throw error;
      }
    }
    return count;
  };
}

/** `apply` of a rewrite that takes out nodes which hand their first input on as it is. */
export function bypassing(ops: readonly string[], idle: (node: Node, site: Site) => boolean): Rewrite['apply'] {
  return eachNode(ops, (node, site) => onlyFirstOutput(node) && idle(node, site) && site.editor.bypass(node));
}

/** True for a constant with one element, whatever its rank. */
export function isScalar(constant: Initializer): boolean {
  return constant.data.kind !== 'strings' && countOf(constant) === 1;
}
