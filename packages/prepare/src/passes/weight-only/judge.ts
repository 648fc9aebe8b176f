/** Which node can read codes, in what form its weight goes in, and why another cannot. */
import {
  type Graph,
  getFloat,
  getInt,
  type Initializer,
  isOp,
  isTensorType,
  type Node,
  opName,
  type ValueType,
} from '@slipway/onnx';
import { blocksPerRow, type Grid } from './blocks.ts';
import type { LayerSettings, Settings } from './settings.ts';

export interface Target {
  readonly kind: 'product' | 'embedding';
  readonly node: Node;
  readonly weight: Initializer;
  /** The graph that holds the weight. */
  readonly owner: Graph;
  /**
   * The graph the codes go to: that one, or for standard operators that of the node, because ONNX Runtime 1.30 fails to
   * load a DequantizeLinear before a product whose codes are in a graph around it ("Missing required weight").
   */
  readonly home: Graph;
  readonly grid: Grid;
  readonly settings: LayerSettings;
  /** The file has [columns, rows]: a column of the weight is a row of the grid. */
  readonly transposed: boolean;
  /** Gemm's alpha, multiplied into the weight. */
  readonly factor: number;
  /** What Gemm adds, and beta. */
  readonly bias: { readonly name: string; readonly factor: number; readonly constant: Initializer | null } | null;
  /** Equal for targets that can share what is stored. */
  readonly key: string;
}

export interface PlanOptions {
  readonly settings: Settings;
  /** Names a person may use for an initializer: its own, and those it was folded from. */
  readonly namesOf: (weight: string) => readonly string[];
  readonly isExcluded: (things: readonly (Node | string)[]) => boolean;
  /** What is known of values of the main graph. */
  readonly typeOf: (name: string) => ValueType | undefined;
}

export interface Constant {
  readonly initializer: Initializer;
  readonly owner: Graph;
}

export type Verdict = Target | string | null;

/** Where a node is. */
interface Site {
  readonly graph: Graph;
  readonly isMain: boolean;
}

/** A target, a reason to leave the node, or null for what the pass has nothing to do with. */
export function judge(
  node: Node,
  site: Site,
  constant: (name: string) => Constant | undefined,
  options: PlanOptions,
): Verdict {
  const product = isOp(node, 'MatMul') || isOp(node, 'Gemm');
  if (!product && !isOp(node, 'Gather')) return null;
  const found = constant(node.inputs[product ? 1 : 0] ?? '');
  if (!product) return found === undefined ? null : judgeGather(node, site, found, options);
  if (found === undefined) {
    return constant(node.inputs[0] ?? '') === undefined
      ? 'both factors are computed at run time'
      : 'the weight is the left factor';
  }
  const unusable = unusableType(found.initializer);
  if (unusable !== null) return unusable;
  return isOp(node, 'MatMul')
    ? judgeMatMul(node, site, found, options)
    : judgeGemm(node, site, found, constant, options);
}

/** ONNX Runtime moves a DequantizeLinear down through these, to the product. */
const MOVES: ReadonlySet<string> = new Set(
  'Flatten Gather Identity MaxPool Reshape Slice Split Squeeze Transpose Unsqueeze'.split(' '),
);

/** Whether the left factor comes out of a DequantizeLinear in the same graph. */
function readsCodes(node: Node, graph: Graph): boolean {
  let from: Node | undefined = node;
  do {
    const name: string | undefined = from.inputs[0];
    from = graph.nodes.find(({ outputs }) => outputs.some((output) => output === name));
  } while (from !== undefined && MOVES.has(opName(from)));
  return from !== undefined && isOp(from, 'DequantizeLinear');
}

/** Operators compute in the type of the scales: float32 and float16. */
function unusableType({ dtype }: Initializer): string | null {
  if (dtype === 'float32' || dtype === 'float16') return null;
  return dtype === 'float64' || dtype === 'bfloat16'
    ? `the weight is ${dtype}; scales can be float32 or float16`
    : 'the weight is not float: it is quantized already';
}

function judgeMatMul(node: Node, site: Site, { initializer, owner }: Constant, options: PlanOptions): Verdict {
  const { dims } = initializer;
  if (dims.length < 2) return 'the weight is a vector';
  const leading = dims.slice(0, -2);
  if (leading.some((dim) => dim !== 1)) {
    return `the weight is a stack of ${leading.join(' × ')} matrices, and codes are of one`;
  }
  if (leading.length > 0) {
    const [input = ''] = node.inputs;
    const type = site.isMain ? options.typeOf(input) : site.graph.valueInfo.get(input)?.type;
    const rank = isTensorType(type) ? type.shape?.length : undefined;
    if (rank === undefined || rank < dims.length) {
      return `the weight has rank ${dims.length}, and it is not known that the other factor has as much`;
    }
  }
  const [columns = 0, rows = 0] = dims.slice(-2);
  return target('product', node, site, { initializer, owner }, options, { rows, columns, transposed: true });
}

function judgeGemm(
  node: Node,
  site: Site,
  found: Constant,
  constant: (name: string) => Constant | undefined,
  options: PlanOptions,
): Verdict {
  const { dims } = found.initializer;
  if (dims.length !== 2) return 'the weight is not a matrix';
  if (getInt(node, 'transA', 0) !== 0) return 'transA is set';
  const swap = getInt(node, 'transB', 0) !== 0;
  const [columns = 0, rows = 0] = swap ? [dims[1], dims[0]] : dims;
  const beta = getFloat(node, 'beta', 1);
  const name = beta === 0 ? '' : (node.inputs[2] ?? '');
  const added = constant(name)?.initializer ?? null;
  if (name !== '' && beta !== 1 && added === null) return 'beta scales a computed tensor';
  if (name !== '' && beta !== 1 && added?.dtype !== found.initializer.dtype) {
    return 'beta scales a bias of another type';
  }
  return target('product', node, site, found, options, {
    rows,
    columns,
    transposed: !swap,
    factor: getFloat(node, 'alpha', 1),
    bias: name === '' ? null : { name, factor: beta, constant: added },
  });
}

function judgeGather(node: Node, site: Site, found: Constant, options: PlanOptions): Verdict {
  const { dtype, dims } = found.initializer;
  if (dims.length !== 2 || getInt(node, 'axis', 0) !== 0) return null;
  if (dtype !== 'float32' && dtype !== 'float16') return null;
  const [rows = 0, columns = 0] = dims;
  return target('embedding', node, site, found, options, { rows, columns, transposed: false });
}

interface Shape extends Partial<Pick<Target, 'factor' | 'bias'>> {
  readonly rows: number;
  readonly columns: number;
  readonly transposed: boolean;
}

function target(
  kind: Target['kind'],
  node: Node,
  { graph }: Site,
  { initializer, owner }: Constant,
  { settings: all, namesOf }: PlanOptions,
  { rows, columns, transposed, factor = 1, bias = null }: Shape,
): Verdict {
  if (rows === 0 || columns === 0) return 'the weight is empty';
  const things = [node, ...namesOf(initializer.name)];
  const asked = kind === 'product' ? all.product(things) : all.embedding(things);
  if (asked === null) return 'embeddings are to be left alone';
  const inStandard = kind === 'embedding' && all.format === 'dequantize';
  if (inStandard && asked.bits !== 8) {
    return `no standard operator looks up entries of ${asked.bits} bits: give \`embeddings: 8\`, or use the format matmulnbits`;
  }
  if (kind === 'product' && all.format === 'dequantize' && asked.bits !== 8 && readsCodes(node, graph)) {
    return 'its other factor is quantized already, and ONNX Runtime would fuse both to an operator of 8 bits';
  }
  const settings = inStandard ? { ...asked, ...STANDARD_EMBEDDING } : asked;
  const { bits, symmetric } = settings;
  const blockSize = blockSizeOf(settings, columns, all.format);
  const half = initializer.dtype === 'float16';
  return {
    kind,
    node,
    weight: initializer,
    owner,
    home: all.format === 'dequantize' ? graph : owner,
    grid: { rows, columns, bits, blockSize, symmetric, half },
    settings,
    transposed,
    factor,
    bias,
    key: JSON.stringify([initializer.name, kind, transposed, factor, settings]),
  };
}

/** What is looked up with standard operators: see emit.ts. */
const STANDARD_EMBEDDING = { symmetric: true, blockSize: 'column', algorithm: 'k-quant' } as const;

/** A block that is longer than the column would only be padding: as short as the format allows. */
function blockSizeOf(settings: LayerSettings, columns: number, format: Settings['format']): number {
  if (settings.blockSize === 'column') return columns;
  let size: number = settings.blockSize;
  if (format === 'dequantize') return Math.min(size, columns);
  while (size > SMALLEST_BLOCK && size / 2 >= columns) size /= 2;
  return size;
}

/** MatMulNBits takes powers of two from 16. */
const SMALLEST_BLOCK = 16;

/** About what the longer node and the names of two or three tensors more cost in the file. */
const NODE_BYTES = 250;

/** Bytes the codes, scales and zero points of a target take, and the nodes around them. */
export function storedBytes({ kind, grid }: Pick<Target, 'kind' | 'grid'>): number {
  const { rows, columns, bits, blockSize, symmetric, half } = grid;
  const blocks = blocksPerRow(grid);
  const width = kind === 'product' ? blocks * blockSize : columns;
  const codes = rows * Math.ceil((width * bits) / 8);
  const zeros = symmetric ? 0 : rows * Math.ceil((blocks * bits) / 8);
  return codes + zeros + rows * blocks * (half ? 2 : 4) + NODE_BYTES;
}
