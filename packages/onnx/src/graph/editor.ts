/**
 * Edits a copy of a frozen graph and yields a new frozen graph.
 *
 * Nodes are values: to change one is to put another in its place. So that a pass may keep working with the nodes it
 * collected at the start, every method accepts any earlier version of a node and acts on what it has become.
 * Order is kept by a linked list (an edit is O(1)) and repaired by a stable topological sort at the end; the def-use
 * index is kept up to date at every step. Names of graph inputs and outputs are the model's interface: only
 * `renameTensor` changes them, `replaceUses` does not.
 */
import { fail } from '@slipway/core';
import type { Keep } from '../external/spill.ts';
import { type Graph } from '../ir/graph.ts';
import type { Initializer } from '../ir/initializer.ts';
import { describeNode, type Node, withNode } from '../ir/node.ts';
import type { ValueType } from '../ir/type.ts';
import { createValueInfo, type ValueInfo } from '../ir/value-info.ts';
import { allNames, readNames, replaceRead } from './scope.ts';
import { topologicalOrder } from './topological.ts';

interface Entry {
  node: Node;
  previous: Entry | null;
  next: Entry | null;
  removed: boolean;
}

export type NodeChange = Parameters<typeof withNode>[1];

export class GraphEditor {
  readonly #graph: Graph;
  readonly #keep: Keep;
  readonly #entries = new Map<Node, Entry>();
  #first: Entry | null = null;
  #last: Entry | null = null;
  readonly #producers = new Map<string, Entry>();
  readonly #consumers = new Map<string, Set<Entry>>();
  readonly #initializers: Map<string, Initializer>;
  readonly #valueInfo: Map<string, ValueInfo>;
  #inputs: readonly ValueInfo[];
  #outputs: readonly ValueInfo[];
  #names: Set<string>;
  readonly #nodeNames: Set<string>;

  /**
   * @param reserved names new values must not get although this graph does not know them (those of graphs around it)
   * @param keep where initializers go that are set: see `spillTo`
   */
  constructor(graph: Graph, reserved: Iterable<string> = [], keep: Keep = (initializer) => initializer) {
    this.#graph = graph;
    this.#keep = keep;
    this.#initializers = new Map(graph.initializers);
    this.#valueInfo = new Map(graph.valueInfo);
    this.#inputs = graph.inputs;
    this.#outputs = graph.outputs;
    this.#names = allNames(graph);
    for (const name of reserved) this.#names.add(name);
    this.#nodeNames = new Set(graph.nodes.map((node) => node.name));
    for (const node of graph.nodes) this.#link(node, this.#last);
  }

  /**
   * An editor of a graph inside this one, a body of one of its nodes, while both are being edited: no new name of either
   * is one of the other. What comes of it is put into the node's attributes by the caller.
   */
  inside(body: Graph): GraphEditor {
    const inner = new GraphEditor(body, [], this.#keep);
    for (const name of inner.#names) this.#names.add(name);
    inner.#names = this.#names;
    return inner;
  }

  /** The nodes as they are now. A copy: editing while iterating is fine. */
  get nodes(): readonly Node[] {
    const nodes: Node[] = [];
    for (let entry = this.#first; entry !== null; entry = entry.next) nodes.push(entry.node);
    return nodes;
  }
  get inputs(): readonly ValueInfo[] {
    return this.#inputs;
  }
  get outputs(): readonly ValueInfo[] {
    return this.#outputs;
  }
  get initializers(): ReadonlyMap<string, Initializer> {
    return this.#initializers;
  }
  initializer(name: string): Initializer | undefined {
    return this.#initializers.get(name);
  }
  /** What `node`, in whatever earlier version, is now; undefined when it was removed. */
  current(node: Node): Node | undefined {
    const entry = this.#entries.get(node);
    return entry === undefined || entry.removed ? undefined : entry.node;
  }
  producer(name: string): Node | undefined {
    return this.#producers.get(name)?.node;
  }
  /** Nodes that read `name`, directly or from a subgraph. */
  consumers(name: string): readonly Node[] {
    return [...(this.#consumers.get(name) ?? [])].map((entry) => entry.node);
  }
  isInput(name: string): boolean {
    return this.#inputs.some((input) => input.name === name);
  }
  isOutput(name: string): boolean {
    return this.#outputs.some((output) => output.name === name);
  }
  /** The declared type of a value, where there is one. For inferred types see `inferShapes`. */
  declaredType(name: string): ValueType | null {
    const named = (info: ValueInfo): boolean => info.name === name;
    return (this.#valueInfo.get(name) ?? this.#inputs.find(named) ?? this.#outputs.find(named))?.type ?? null;
  }

  /** A name no value has, `base` if it is free. It is taken from now on. */
  uniqueName(base: string): string {
    return takeName(this.#names, base);
  }
  /** A name no node has. */
  uniqueNodeName(base: string): string {
    return takeName(this.#nodeNames, base);
  }

  append(...nodes: readonly Node[]): void {
    for (const node of nodes) this.#link(node, this.#last);
  }
  insertBefore(node: Node, ...nodes: readonly Node[]): void {
    let after = this.#entry(node).previous;
    for (const added of nodes) after = this.#link(added, after);
  }
  insertAfter(node: Node, ...nodes: readonly Node[]): void {
    let after: Entry | null = this.#entry(node);
    for (const added of nodes) after = this.#link(added, after);
  }
  /** Put `nodes` in the place of `node`. */
  replace(node: Node, ...nodes: readonly Node[]): void {
    const entry = this.#entry(node);
    const { previous } = entry;
    this.#unlink(entry);
    let after = previous;
    for (const added of nodes) after = this.#link(added, after);
  }
  /** Change fields of a node; returns what it has become. */
  update(node: Node, change: NodeChange): Node {
    return this.#become(this.#entry(node), (current) => withNode(current, change));
  }
  remove(node: Node): void {
    this.#unlink(this.#entry(node));
  }

  /** Add an initializer, or put it in the place of the one with its name. */
  setInitializer(initializer: Initializer): void {
    this.#names.add(initializer.name);
    this.#initializers.set(initializer.name, this.#keep(initializer));
  }
  removeInitializer(name: string): void {
    this.#initializers.delete(name);
  }
  /** Note the type of a value; null forgets it. Inputs and outputs keep theirs: see `setInputs`, `setOutputs`. */
  setType(name: string, type: ValueType | null): void {
    if (type === null) this.#valueInfo.delete(name);
    else this.#valueInfo.set(name, createValueInfo(name, type));
  }
  setInputs(inputs: readonly ValueInfo[]): void {
    this.#inputs = inputs;
    for (const { name } of inputs) this.#names.add(name);
  }
  setOutputs(outputs: readonly ValueInfo[]): void {
    this.#outputs = outputs;
    for (const { name } of outputs) this.#names.add(name);
  }

  /**
   * Let every node that reads `from` read `to`. Graph outputs stay.
   * @param only restrict to nodes for which this holds
   */
  replaceUses(from: string, to: string, only: (consumer: Node) => boolean = () => true): void {
    for (const entry of [...(this.#consumers.get(from) ?? [])]) {
      if (only(entry.node)) this.#become(entry, (node) => replaceRead(node, from, to));
    }
  }

  /** Give a value another name everywhere: where it is made, read, declared, an input or an output. */
  renameTensor(from: string, to: string): void {
    if (from === to) return;
    if (this.#producers.has(to) || this.#initializers.has(to) || this.isInput(to)) {
      throw fail('INTERNAL', { problem: `cannot rename "${from}" to "${to}": the name is taken` });
    }
    this.#names.add(to);
    const producer = this.#producers.get(from);
    if (producer !== undefined) {
      this.#become(producer, (node) =>
        withNode(node, { outputs: Object.freeze(node.outputs.map((name) => (name === from ? to : name))) }),
      );
    }
    this.replaceUses(from, to);
    const initializer = this.#initializers.get(from);
    if (initializer !== undefined) {
      this.#initializers.delete(from);
      this.#initializers.set(to, Object.freeze({ ...initializer, name: to }));
    }
    const rename = (info: ValueInfo): ValueInfo => (info.name === from ? Object.freeze({ ...info, name: to }) : info);
    this.#inputs = this.#inputs.map(rename);
    this.#outputs = this.#outputs.map(rename);
    const info = this.#valueInfo.get(from);
    if (info !== undefined) {
      this.#valueInfo.delete(from);
      this.#valueInfo.set(to, rename(info));
    }
  }

  /**
   * Take out a node that passes its first input through to its first output (Identity, Dropout at inference, a
   * cancelled pair). Names of graph outputs survive. Returns false, and changes nothing, where the node must stay: it
   * connects an input or initializer, or another output, directly to a graph output.
   */
  bypass(node: Node): boolean {
    const { node: now } = this.#entry(node);
    const [from = ''] = now.inputs;
    const [to = ''] = now.outputs;
    if (!this.isOutput(to)) {
      this.remove(node);
      this.replaceUses(to, from);
      return true;
    }
    if (!this.#producers.has(from) || this.isOutput(from)) return false;
    this.remove(node);
    // What is declared of the output wins over what was noted for the value that takes its name.
    this.#valueInfo.delete(from);
    this.renameTensor(from, to);
    return true;
  }

  /**
   * The edited graph, frozen and in topological order. What was noted about values that are gone is dropped.
   * @throws MODEL_INVALID when a name is computed twice or the nodes form a cycle
   */
  finish(): Graph {
    const nodes = this.nodes;
    const made = new Map<string, Node>();
    for (const node of nodes) {
      for (const name of node.outputs) {
        if (name === '') continue;
        const other = made.get(name);
        if (other !== undefined || this.#initializers.has(name)) {
          const by = other === undefined ? 'an initializer' : describeNode(other);
          throw fail('MODEL_INVALID', {
            path: 'model',
            where: describeNode(node),
            problem: `output "${name}" already belongs to ${by}`,
          });
        }
        made.set(name, node);
      }
    }
    for (const name of this.#valueInfo.keys()) {
      if (!made.has(name) && !this.#initializers.has(name)) this.#valueInfo.delete(name);
    }
    return Object.freeze({
      ...this.#graph,
      nodes: Object.freeze([...topologicalOrder(nodes)]),
      inputs: Object.freeze([...this.#inputs]),
      outputs: Object.freeze([...this.#outputs]),
      initializers: new Map(this.#initializers),
      valueInfo: new Map(this.#valueInfo),
    });
  }

  #entry(node: Node): Entry {
    const entry = this.#entries.get(node);
    if (entry === undefined || entry.removed) {
      throw fail('INTERNAL', { problem: `${describeNode(node)} is not in the graph being edited` });
    }
    return entry;
  }

  #link(node: Node, after: Entry | null): Entry {
    const known = this.#entries.get(node);
    if (known !== undefined && !known.removed) {
      throw fail('INTERNAL', { problem: `${describeNode(node)} is already in the graph` });
    }
    const next = after === null ? this.#first : after.next;
    const entry: Entry = { node, previous: after, next, removed: false };
    if (after === null) this.#first = entry;
    else after.next = entry;
    if (next === null) this.#last = entry;
    else next.previous = entry;
    this.#entries.set(node, entry);
    this.#nodeNames.add(node.name);
    this.#index(entry);
    return entry;
  }

  #unlink(entry: Entry): void {
    if (entry.previous === null) this.#first = entry.next;
    else entry.previous.next = entry.next;
    if (entry.next === null) this.#last = entry.previous;
    else entry.next.previous = entry.previous;
    entry.removed = true;
    this.#unindex(entry);
  }

  #become(entry: Entry, change: (node: Node) => Node): Node {
    this.#unindex(entry);
    entry.node = change(entry.node);
    this.#entries.set(entry.node, entry);
    this.#nodeNames.add(entry.node.name);
    this.#index(entry);
    return entry.node;
  }

  #index(entry: Entry): void {
    for (const name of entry.node.outputs) {
      if (name === '') continue;
      this.#names.add(name);
      this.#producers.set(name, entry);
    }
    for (const name of readNames(entry.node)) {
      this.#names.add(name);
      const readers = this.#consumers.get(name);
      if (readers === undefined) this.#consumers.set(name, new Set([entry]));
      else readers.add(entry);
    }
  }

  #unindex(entry: Entry): void {
    for (const name of entry.node.outputs) if (this.#producers.get(name) === entry) this.#producers.delete(name);
    for (const name of readNames(entry.node)) this.#consumers.get(name)?.delete(entry);
  }
}

function takeName(taken: Set<string>, base: string): string {
  const stem = base === '' ? 'unnamed' : base;
  let name = stem;
  for (let suffix = 1; taken.has(name); suffix++) name = `${stem}_${suffix}`;
  taken.add(name);
  return name;
}
