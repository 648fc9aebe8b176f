/**
 * Puts chosen nodes of a model into float16. Values keep their names; what changes is their type.
 *
 * Graphs are rewritten in order, keeping for every float32 value of the source the type it has now. A node that needs it
 * in the other type reads a Cast of it, of which there is one per value and graph, so a Cast never follows a Cast.
 * Constants become float16 where only such nodes read them, else they stay and are cast. Inputs and outputs of bodies stay
 * float32, and those of the model by default.
 *
 * With `explicit`, every chosen node computes in float32 between Casts of its inputs and outputs. That is float16 to the
 * letter: the CPU kernels of ONNX Runtime that have no float16 form are run in float32 with the Casts between neighbours
 * left out, so running the plain result there shows neither overflow nor rounding that other engines will have.
 */
import {
  allNames,
  createNode,
  editGraphs,
  getInt,
  getTensor,
  type Graph,
  type Initializer,
  initializerOf,
  intAttribute,
  type Keep,
  isOp,
  isTensorType,
  type Model,
  type Node,
  ONNX_DTYPES,
  subgraphsOf,
  tensorAttribute,
  tensorInfo,
  type ValueInfo,
  type ValueType,
  withAttributes,
  withModel,
  withNode,
} from '@slipway/onnx';
import { narrowsInput, narrowsOutput } from './eligible.ts';
import { type Narrowed, narrowed } from './narrow.ts';

type Float = 'float16' | 'float32';

export interface ConvertOptions {
  /** Inputs and outputs of the model stay float32. */
  readonly keepIo: boolean;
  /** Compute in float32 and round, instead of leaving it to the kernels. */
  readonly explicit?: boolean;
  /** Where converted constants go: see `spillTo`. */
  readonly keep: Keep;
  /** Constants already converted, kept for the next time. */
  readonly constants?: Map<Initializer, Narrowed>;
}

export interface Converted {
  readonly model: Model;
  /** Casts added. */
  readonly casts: number;
  /** Constants with values beyond ±65504, and how many values. */
  readonly large: ReadonlyMap<string, number>;
  /** Constants with values that float16 would make zero, and how many values. */
  readonly small: ReadonlyMap<string, number>;
  /** The type each value of the main graph has now, where it was float32. */
  readonly types: ReadonlyMap<string, Float>;
}

/** @param types of all values of the model, as inferred */
export function convert(
  model: Model,
  types: ReadonlyMap<string, ValueType>,
  isLow: (node: Node) => boolean,
  options: ConvertOptions,
): Converted {
  const state = new State(model, types, isLow, options);
  const { graph, scope } = state.graph(model.graph, null);
  const converted = editGraphs(
    withModel(model, { graph }),
    (editor) => {
      for (const node of editor.nodes) if (state.idle.has(node)) editor.bypass(node);
    },
    { concerned: (node) => state.idle.has(node) },
  );
  return { ...state.result, model: converted, types: scope.dtypes };
}

/** What is known of the values of one graph, and of those around it. */
class Scope {
  readonly outer: Scope | null;
  readonly dtypes = new Map<string, Float>();
  /** `float16 name` → the value that holds it in that type. */
  readonly casts = new Map<string, string>();
  readonly nodes: Node[] = [];

  constructor(outer: Scope | null) {
    this.outer = outer;
  }

  dtype(name: string): Float | undefined {
    return this.dtypes.get(name) ?? this.outer?.dtype(name);
  }
  cast(dtype: Float, name: string): string | undefined {
    const own = this.casts.get(`${dtype} ${name}`);
    // What is defined here hides what is called the same around it, and its Casts.
    return own ?? (this.dtypes.has(name) ? undefined : this.outer?.cast(dtype, name));
  }
}

const CAST_TO: Readonly<Record<Float, number>> = {
  float16: ONNX_DTYPES.float16.code,
  float32: ONNX_DTYPES.float32.code,
};

class State {
  readonly #types: ReadonlyMap<string, ValueType>;
  readonly #isLow: (node: Node) => boolean;
  readonly #options: ConvertOptions;
  readonly #names: Set<string>;
  readonly #readers: ReadonlyMap<Initializer, Readers>;
  readonly result = {
    casts: 0,
    large: new Map<string, number>(),
    small: new Map<string, number>(),
  };
  /** What is left of Casts that have nothing to do any more. */
  readonly idle = new Set<Node>();

  constructor(
    model: Model,
    types: ReadonlyMap<string, ValueType>,
    isLow: (node: Node) => boolean,
    options: ConvertOptions,
  ) {
    this.#types = types;
    this.#isLow = isLow;
    this.#options = options;
    this.#names = allNames(model.graph);
    this.#readers = readersOf(model.graph, isLow);
  }

  graph(graph: Graph, outer: Scope | null): { graph: Graph; scope: Scope } {
    const scope = new Scope(outer);
    const keepsIo = outer !== null || this.#options.keepIo;
    const io: Float = keepsIo ? 'float32' : 'float16';
    for (const { name } of graph.inputs) if (this.#isFloat32(name)) scope.dtypes.set(name, io);
    const initializers = new Map<string, Initializer>();
    for (const [name, initializer] of graph.initializers) {
      const stays = initializer.dtype !== 'float32' || this.#readers.get(initializer)?.high !== false;
      if (stays) initializers.set(name, initializer);
      else initializers.set(name, this.#narrow(initializer));
      if (initializer.dtype === 'float32') scope.dtypes.set(name, stays ? 'float32' : 'float16');
    }
    const outputs = new Set(graph.outputs.map(({ name }) => name));
    for (const node of graph.nodes) this.#node(node, scope, outputs, io);

    const retyped = (info: ValueInfo): ValueInfo => {
      const dtype = scope.dtypes.get(info.name);
      return dtype === undefined || !isTensorType(info.type) ? info : tensorInfo(info.name, dtype, info.type.shape);
    };
    const rewritten = Object.freeze({
      ...graph,
      initializers,
      nodes: Object.freeze(scope.nodes),
      inputs: Object.freeze(graph.inputs.map(retyped)),
      outputs: Object.freeze(graph.outputs.map(retyped)),
      valueInfo: new Map([...graph.valueInfo].map(([name, info]) => [name, retyped(info)])),
    });
    return { graph: rewritten, scope };
  }

  #node(node: Node, scope: Scope, outputs: ReadonlySet<string>, io: Float): void {
    const isLow = this.#isLow(node);
    const isCast = isLow && isOp(node, 'Cast');
    const inputs = node.inputs.map((name, index) => {
      const dtype = name === '' ? undefined : scope.dtype(name);
      // A Cast reads anything.
      if (dtype === undefined || isCast) return name;
      return this.#as(name, isLow && narrowsInput(node, index) ? 'float16' : 'float32', scope);
    });
    let made = withNode(this.#withBodies(node, scope), { inputs: Object.freeze(inputs) });
    if (isLow) made = lowered(made);
    const isIdle = isCast && this.#isIdle(made, scope);
    if (isIdle) made = withNode(made, { op: 'Identity', attributes: new Map() });

    const after: Node[] = [];
    const named = node.outputs.map((name, index) => {
      if (name === '' || !this.#isFloat32(name)) return name;
      const now: Float = isLow && narrowsOutput(node, index) ? 'float16' : 'float32';
      const wanted = outputs.has(name) ? io : now;
      scope.dtypes.set(name, wanted);
      if (wanted === now) return name;
      const inner = this.#unique(`${name}_${now}`);
      scope.dtypes.set(inner, now);
      scope.casts.set(`${now} ${name}`, inner);
      after.push(this.#castNode(inner, name, wanted));
      return inner;
    });
    made = withNode(made, { outputs: Object.freeze(named) });
    if (isIdle) this.idle.add(made);
    const isExplicit = isLow && !isCast && this.#options.explicit === true;
    scope.nodes.push(...(isExplicit ? this.#explicit(made, scope) : [made]), ...after);
  }

  /** True when a Cast would make float16 of float16. */
  #isIdle(cast: Node, scope: Scope): boolean {
    const [input = ''] = cast.inputs;
    const type = this.#types.get(input);
    const from = scope.dtype(input) ?? (isTensorType(type) ? type.dtype : undefined);
    return from === 'float16' && getInt(cast, 'to') === CAST_TO.float16;
  }

  #withBodies(node: Node, scope: Scope): Node {
    if (subgraphsOf(node).length === 0) return node;
    const attributes = [...node.attributes.values()].map((attribute) => {
      if (attribute.kind === 'graph') return { ...attribute, value: this.graph(attribute.value, scope).graph };
      if (attribute.kind === 'graphs') {
        return { ...attribute, value: attribute.value.map((graph) => this.graph(graph, scope).graph) };
      }
      return attribute;
    });
    return withAttributes(node, attributes);
  }

  /** The name under which a value can be read as `dtype` here, cast if necessary. */
  #as(name: string, dtype: Float, scope: Scope): string {
    if (scope.dtype(name) === dtype) return name;
    const known = scope.cast(dtype, name);
    if (known !== undefined) return known;
    const output = this.#unique(`${name}_${dtype}`);
    scope.dtypes.set(output, dtype);
    scope.casts.set(`${dtype} ${name}`, output);
    scope.nodes.push(this.#castNode(name, output, dtype));
    return output;
  }

  /** The node in float32 between Casts from and to float16. */
  #explicit(node: Node, scope: Scope): Node[] {
    if (isOp(node, 'ConstantOfShape')) return [node];
    const before: Node[] = [];
    const inputs = node.inputs.map((name) => {
      if (scope.dtype(name) !== 'float16') return name;
      const wide = this.#unique(`${name}_wide`);
      before.push(this.#castNode(name, wide, 'float32'));
      return wide;
    });
    const after: Node[] = [];
    const outputs = node.outputs.map((name) => {
      if (scope.dtypes.get(name) !== 'float16') return name;
      const wide = this.#unique(`${name}_wide`);
      after.push(this.#castNode(wide, name, 'float16'));
      return wide;
    });
    return [...before, withNode(node, { inputs: Object.freeze(inputs), outputs: Object.freeze(outputs) }), ...after];
  }

  #castNode(from: string, to: string, dtype: Float): Node {
    this.result.casts++;
    return createNode('Cast', [from], [to], { name: `${to}_cast`, attributes: [intAttribute('to', CAST_TO[dtype])] });
  }

  #narrow(initializer: Initializer): Initializer {
    const { constants, keep } = this.#options;
    let result = constants?.get(initializer);
    if (result === undefined) {
      const computed = narrowed(initializer);
      result = { ...computed, initializer: keep(computed.initializer) };
      constants?.set(initializer, result);
    }
    if (result.large > 0) this.result.large.set(initializer.name, result.large);
    if (result.small > 0) this.result.small.set(initializer.name, result.small);
    return result.initializer;
  }

  #unique(base: string): string {
    let name = base;
    for (let suffix = 1; this.#names.has(name); suffix++) name = `${base}_${suffix}`;
    this.#names.add(name);
    return name;
  }

  #isFloat32(name: string): boolean {
    const type = this.#types.get(name);
    return isTensorType(type) && type.dtype === 'float32';
  }
}

/** Attributes that say float32, saying float16. */
function lowered(node: Node): Node {
  if (isOp(node, 'Cast') && getInt(node, 'to') === CAST_TO.float32) {
    return withAttributes(node, [intAttribute('to', CAST_TO.float16)]);
  }
  if (isOp(node, 'ConstantOfShape')) {
    const value =
      getTensor(node, 'value') ?? initializerOf('', { dtype: 'float32', shape: [1], data: Float32Array.of(0) });
    if (value.dtype === 'float32') return withAttributes(node, [tensorAttribute('value', narrowed(value).initializer)]);
  }
  return node;
}

interface Readers {
  /** Something reads it as float32. */
  high: boolean;
}

/** How each initializer is read, in its graph and in bodies that capture it. */
function readersOf(graph: Graph, isLow: (node: Node) => boolean): ReadonlyMap<Initializer, Readers> {
  const readers = new Map<Initializer, Readers>();
  const visit = (one: Graph, outer: ReadonlyMap<string, Initializer | null>): void => {
    const visible = new Map(outer);
    // What a body defines hides what is called the same around it.
    for (const { name } of one.inputs) visible.set(name, null);
    for (const name of one.nodes.flatMap(({ outputs }) => outputs)) visible.set(name, null);
    for (const [name, initializer] of one.initializers) {
      visible.set(name, initializer);
      readers.set(initializer, { high: one.inputs.some((input) => input.name === name) });
    }
    const read = (name: string, low: boolean): void => {
      const initializer = visible.get(name);
      const reader = initializer === undefined || initializer === null ? undefined : readers.get(initializer);
      if (reader !== undefined && !low) reader.high = true;
    };
    for (const node of one.nodes) {
      const low = isLow(node);
      node.inputs.forEach((name, index) => read(name, low && narrowsInput(node, index)));
      for (const inner of subgraphsOf(node)) visit(inner, visible);
    }
    for (const { name } of one.outputs) read(name, false);
  };
  visit(graph, new Map());
  return readers;
}
