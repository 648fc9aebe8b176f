/**
 * The graphs of a model while they are edited together: the main one and, in it, bodies of If, Loop and Scan, which read
 * what the graphs around them define. A weight is stored quantized where the weight itself is, so that bodies share it.
 */
import type { Graph, GraphEditor, Initializer } from '@slipway/onnx';
import type { StoredConstant } from '../constants.ts';
import { type ActivationQuantizer, activationQuantizer } from './activation.ts';

export class Scope {
  readonly editor: GraphEditor;
  readonly quantizeActivation: ActivationQuantizer;
  /** What is stored in this graph, by whatever tells one form of a weight from another. */
  readonly stored = new Map<string, StoredConstant>();
  /** Names of initializers of this graph that something read before it was quantized. */
  readonly replaced = new Set<string>();
  readonly #graph: Graph;
  readonly #outer: Scope | null;

  constructor(graph: Graph, editor: GraphEditor, outer: Scope | null) {
    this.#graph = graph;
    this.#outer = outer;
    this.editor = editor;
    this.quantizeActivation = activationQuantizer(editor);
  }

  /** The scope that defines a constant: this one or one around it. */
  owner(name: string): Scope | undefined {
    return this.#graph.initializers.has(name) ? this : this.#outer?.owner(name);
  }

  constant(name: string): Initializer | undefined {
    return this.#graph.initializers.get(name) ?? this.#outer?.constant(name);
  }

  /** Note that nodes here no longer read these, so that they can go where nobody else does. */
  replace(names: readonly string[]): void {
    for (const name of names) this.owner(name)?.replaced.add(name);
  }

  /** What `make` stores for `name` in the scope that has it, made once per `form`. */
  once(name: string, form: string, make: (editor: GraphEditor) => StoredConstant): StoredConstant {
    const owner = this.owner(name) ?? this;
    const key = `${name}|${form}`;
    let known = owner.stored.get(key);
    if (known === undefined) {
      known = make(owner.editor);
      owner.stored.set(key, known);
    }
    return known;
  }
}
