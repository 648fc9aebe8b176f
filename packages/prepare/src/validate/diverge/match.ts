/**
 * Which tensors two models share. Passes keep the names of tensors where they rename nodes, so tensors are matched by name, and
 * for a tensor that was quantized its counterpart is what its readers now read: the integers with their scale and zero point. They are
 * looked at as integers, because to make an output of what is dequantized would keep the engine from fusing there,
 * and the model that is looked at would not be the one that runs.
 *
 * Only the main graph is matched: tensors inside of If, Loop and Scan are part of those nodes.
 */
import {
  floatsOf,
  type Graph,
  inferShapes,
  type Initializer,
  integersOf,
  isExternal,
  isTensorType,
  type Model,
  type Node,
  type OnnxDType,
  readNames,
} from '@slipway/onnx';

/** How to read the values of a tensor from an output of a model. */
export interface Reading {
  readonly output: string;
  readonly dtype: OnnxDType;
  /** Of what is quantized: value = (integer − zeroPoint) · scale. */
  readonly quantized: { readonly scale: number; readonly zeroPoint: number } | null;
}

/** A tensor that both models compute. */
export interface Cut {
  readonly tensor: string;
  readonly node: Node;
  readonly source: Reading;
  readonly candidate: Reading;
  /** Numbers of the nearest cuts that it is computed from. */
  readonly parents: readonly number[];
  /** The nodes from those up to its own that compute in floating point, in the order of the graph. */
  readonly between: readonly Node[];
}

const FLOATS: ReadonlySet<OnnxDType> = new Set(['float32', 'float16', 'float64']);
const INTEGERS: ReadonlySet<OnnxDType> = new Set(['int8', 'uint8', 'int16', 'uint16']);

/** In topological order of the source. Outputs of the models are among them. */
export function matchTensors(source: Model, candidate: Model): readonly Cut[] {
  const own = reader(source);
  const other = reader(candidate);
  const producers = new Map<string, Node>();
  const numbers = new Map<string, number>();
  const cuts: Cut[] = [];
  for (const node of source.graph.nodes) {
    const above = ancestry(node, producers, numbers, (tensor) => own.plain(tensor) !== null);
    for (const tensor of node.outputs) {
      if (tensor === '') continue;
      producers.set(tensor, node);
      const [first, second] = [own.plain(tensor), other.plain(tensor)];
      const counterpart = other.quantized(tensor) ?? second;
      if (first === null || counterpart === null) continue;
      numbers.set(tensor, cuts.length);
      cuts.push({ tensor, node, source: first, candidate: counterpart, ...above });
    }
  }
  return cuts;
}

/** The nearest cuts above a node, and the nodes on the way. */
function ancestry(
  node: Node,
  producers: ReadonlyMap<string, Node>,
  numbers: ReadonlyMap<string, number>,
  isFloat: (tensor: string) => boolean,
): Pick<Cut, 'parents' | 'between'> {
  const parents = new Set<number>();
  const passed = new Set<Node>([node]);
  // A set that grows while it is walked through.
  for (const each of passed) {
    for (const name of readNames(each)) {
      const number = numbers.get(name);
      const producer = producers.get(name);
      if (number !== undefined) parents.add(number);
      else if (producer !== undefined) passed.add(producer);
    }
  }
  // What computes shapes and indices is passed, too, but is not where numbers go wrong.
  const between = [...passed].filter((each) => each === node || each.outputs.some(isFloat));
  return { parents: [...parents], between: between.reverse() };
}

interface Reader {
  plain(tensor: string): Reading | null;
  quantized(tensor: string): Reading | null;
}

function reader(model: Model): Reader {
  const { values } = inferShapes(model);
  const { graph } = model;
  const computed = new Set(graph.nodes.flatMap(({ outputs }) => outputs));
  const copies = quantizedCopies(graph);
  const dtypeOf = (tensor: string): OnnxDType | null => {
    const type = values.get(tensor);
    return type !== undefined && isTensorType(type) ? type.dtype : null;
  };
  return {
    plain(tensor) {
      const dtype = computed.has(tensor) ? dtypeOf(tensor) : null;
      return dtype !== null && FLOATS.has(dtype) ? { output: tensor, dtype, quantized: null } : null;
    },
    quantized(tensor) {
      // Where all is integers there is no tensor of the name, but its numbers are named after it.
      const named: Copy = {
        output: `${tensor}_quantized`,
        scale: graph.initializers.get(`${tensor}_scale`),
        zeroPoint: graph.initializers.get(`${tensor}_zero_point`),
      };
      const copy = copies.get(tensor) ?? (computed.has(tensor) ? undefined : named);
      if (copy === undefined) return null;
      const dtype = computed.has(copy.output) ? dtypeOf(copy.output) : null;
      const scale = scalar(copy.scale);
      const zeroPoint = copy.zeroPoint === undefined ? 0 : scalar(copy.zeroPoint);
      if (dtype === null || !INTEGERS.has(dtype) || scale === null || zeroPoint === null) return null;
      return { output: copy.output, dtype, quantized: { scale, zeroPoint } };
    },
  };
}

interface Copy {
  readonly output: string;
  readonly scale: Initializer | undefined;
  readonly zeroPoint: Initializer | undefined;
}

/** What QuantizeLinear makes of each tensor that only it reads: where others read the tensor itself, that is what counts. */
function quantizedCopies({ nodes, initializers, outputs }: Graph): ReadonlyMap<string, Copy> {
  const readers = new Map<string, Node[]>();
  for (const node of nodes) {
    for (const name of readNames(node)) readers.set(name, [...(readers.get(name) ?? []), node]);
  }
  const copies = new Map<string, Copy>();
  for (const [tensor, [node, ...others]] of readers) {
    if (node?.op !== 'QuantizeLinear' || others.length > 0 || outputs.some(({ name }) => name === tensor)) continue;
    const [, scale = '', zeroPoint = ''] = node.inputs;
    const [output = ''] = node.outputs;
    if (zeroPoint !== '' && !initializers.has(zeroPoint)) continue;
    copies.set(tensor, { output, scale: initializers.get(scale), zeroPoint: initializers.get(zeroPoint) });
  }
  return copies;
}

function scalar(initializer: Initializer | undefined): number | null {
  if (initializer === undefined || isExternal(initializer) || initializer.dims.some((dim) => dim !== 1)) return null;
  const [value] = FLOATS.has(initializer.dtype) ? floatsOf(initializer) : integersOf(initializer);
  return value ?? null;
}
