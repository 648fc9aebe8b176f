/**
 * Folds what follows a convolution or a matrix product channel by channel (batch normalization, a constant factor, a
 * constant bias) into its weight and bias, before ranges are measured: an 8-bit kernel then computes all of it at once, and
 * nothing in between has to be rounded. Exporters of older models leave these apart, with biases of any rank ([8, 1, 1]);
 * the folded bias has rank 1, which is the form the integer kernels take.
 *
 * Only constants are folded, only where nobody else reads the value in between, and never across a node that
 * the user excluded.
 */
import {
  getFloat,
  getInt,
  type GraphEditor,
  initializerOf,
  type Initializer,
  isOp,
  isTensorType,
  type Node,
  type ValueType,
} from '@slipway/onnx';
import { dropUnread } from '../constants.ts';
import { plural } from '../describe.ts';
import { readFloat32 } from '../weights.ts';

/** y = factor · x + offset, per channel. */
interface ChannelAffine {
  readonly factor: Float32Array | null;
  readonly offset: Float32Array | null;
}

interface FuseOptions {
  /** True for nodes that must stay as they are. */
  isExcluded(node: Node): boolean;
  /** Rank of a value, where it is known. */
  rankOf(name: string): number | undefined;
  /** Called with the name of a new weight or bias and the names it was made of. */
  made(name: string, sources: readonly string[]): void;
}

/**
 * @param types of the values, where they are known
 * @param sources receives, for each new weight or bias, what it was made of
 * @param isExcluded true for nodes that must stay as they are
 * @returns how many nodes were folded away
 */
export function fuseChannelwise(
  editor: GraphEditor,
  types: ReadonlyMap<string, ValueType>,
  sources: Map<string, readonly string[]>,
  isExcluded: (node: Node) => boolean,
): number {
  const options: FuseOptions = {
    isExcluded,
    rankOf: (name) => {
      const type = types.get(name);
      return isTensorType(type) ? type.shape?.length : undefined;
    },
    made: (name, from) => {
      sources.set(
        name,
        from.flatMap((source) => [source, ...(sources.get(source) ?? [])]),
      );
    },
  };
  let folded = 0;
  const read = new Set<string>();
  for (const node of editor.nodes) {
    if (isOp(node, 'Sum') && node.inputs.length === 2) editor.update(node, { op: 'Add' });
  }
  for (const start of editor.nodes) {
    for (let node = editor.current(start); node !== undefined; node = editor.current(start)) {
      const next = onlyConsumer(editor, node);
      if (next === undefined || options.isExcluded(node) || options.isExcluded(next)) break;
      if (
        !(isOp(node, 'Conv') ? foldIntoConv(editor, node, next, options) : foldIntoProduct(editor, node, next, options))
      ) {
        break;
      }
      for (const name of [...node.inputs, ...next.inputs]) read.add(name);
      folded++;
    }
  }
  dropUnread(editor, read);
  return folded;
}

/** For the notes of a pass. */
export function describeFolded(count: number): string {
  const what = plural(count, 'bias, factor or batch normalization', 'biases, factors and batch normalizations');
  return `${what} folded into the weights before.`;
}

function onlyConsumer(editor: GraphEditor, node: Node): Node | undefined {
  const [output = ''] = node.outputs;
  if (editor.isOutput(output)) return undefined;
  const consumers = editor.consumers(output);
  return consumers.length === 1 ? consumers[0] : undefined;
}

function foldIntoConv(editor: GraphEditor, conv: Node, next: Node, options: FuseOptions): boolean {
  const [input = '', weightName = '', biasName = ''] = conv.inputs;
  const weight = float32(editor, weightName);
  const bias = biasName === '' ? null : float32(editor, biasName);
  if (weight === undefined || bias === undefined) return false;
  const channels = weight.dims[0] ?? 0;
  const affine = channelAffine(editor, next, conv.outputs[0] ?? '', channels, weight.dims.length);
  if (affine === undefined) return false;

  const { factor, offset } = affine;
  const values = readFloat32(weight);
  const perChannel = values.length / channels;
  const old = bias === null ? new Float32Array(channels) : readFloat32(bias);
  const newBias = old.map((value, o) => value * (factor?.[o] ?? 1) + (offset?.[o] ?? 0));
  const add = (base: string, dims: readonly number[], data: Float32Array): string => {
    const name = editor.uniqueName(`${base}_folded`);
    editor.setInitializer(initializerOf(name, { dtype: 'float32', shape: dims, data }));
    options.made(name, [base, ...constantsOf(editor, next), next.name]);
    return name;
  };
  const newWeight =
    factor === null
      ? weightName
      : add(
          weightName,
          weight.dims,
          values.map((value, i) => value * (factor[Math.floor(i / perChannel)] ?? 1)),
        );
  const inputs = [
    input,
    newWeight,
    add(biasName === '' ? (constantsOf(editor, next)[0] ?? weightName) : biasName, [channels], newBias),
  ];
  editor.remove(next);
  editor.update(conv, { inputs, outputs: next.outputs.slice(0, 1) });
  return true;
}

/** MatMul → Add of one number per column: Gemm, which has a bias. Only for matrices: Gemm takes no other rank. */
function foldIntoProduct(editor: GraphEditor, node: Node, next: Node, options: FuseOptions): boolean {
  if (!isOp(node, 'MatMul') || !isOp(next, 'Add')) return false;
  const [left = '', right = ''] = node.inputs;
  const weight = float32(editor, right);
  if (weight?.dims.length !== 2 || options.rankOf(left) !== 2) return false;
  const bias = otherOperand(editor, next, node.outputs[0] ?? '');
  const columns = weight.dims[1] ?? 0;
  if (bias === undefined || bias.dims.length > 2) return false;
  const offset = alongAxis(bias, 2, 1, columns);
  if (offset === undefined) return false;
  const name = editor.uniqueName(`${bias.name}_folded`);
  editor.setInitializer(initializerOf(name, { dtype: 'float32', shape: [columns], data: offset }));
  options.made(name, [bias.name, next.name]);
  editor.remove(next);
  editor.update(node, { op: 'Gemm', inputs: [left, right, name], outputs: next.outputs });
  return true;
}

function channelAffine(
  editor: GraphEditor,
  node: Node,
  input: string,
  channels: number,
  rank: number,
): ChannelAffine | undefined {
  if (isOp(node, 'BatchNormalization')) return batchNormalization(editor, node, input, channels);
  if (!isOp(node, 'Add') && !isOp(node, 'Mul')) return undefined;
  const operand = otherOperand(editor, node, input);
  const values = operand === undefined ? undefined : alongAxis(operand, rank, 1, channels);
  if (values === undefined) return undefined;
  return node.op === 'Add' ? { factor: null, offset: values } : { factor: values, offset: null };
}

function batchNormalization(
  editor: GraphEditor,
  node: Node,
  input: string,
  channels: number,
): ChannelAffine | undefined {
  const parameters = node.inputs.slice(1).map((name) => float32(editor, name));
  const training = getInt(node, 'training_mode', 0) !== 0 || node.outputs.slice(1).some((name) => name !== '');
  if (training || node.inputs[0] !== input || parameters.length !== 4) return undefined;
  const [scale, bias, mean, variance] = parameters.map((each) => (each === undefined ? undefined : readFloat32(each)));
  if (scale?.length !== channels || bias === undefined || mean === undefined || variance === undefined) {
    return undefined;
  }
  const epsilon = getFloat(node, 'epsilon', 1e-5);
  const factor = scale.map((value, o) => value / Math.sqrt((variance[o] ?? 0) + epsilon));
  const offset = bias.map((value, o) => value - (mean[o] ?? 0) * (factor[o] ?? 0));
  return { factor, offset };
}

/** Names of the constants a node reads. */
const constantsOf = (editor: GraphEditor, node: Node): string[] =>
  node.inputs.filter((name) => editor.initializer(name) !== undefined);

function float32(editor: GraphEditor, name: string): Initializer | undefined {
  const initializer = editor.initializer(name);
  return initializer?.dtype === 'float32' ? initializer : undefined;
}

/** The constant operand of a node of two operands whose other one is `input`. */
function otherOperand(editor: GraphEditor, node: Node, input: string): Initializer | undefined {
  const [first = '', second = ''] = node.inputs;
  return first === second ? undefined : float32(editor, first === input ? second : first);
}

/** The elements of a constant that varies along one axis only of a value of `rank`, repeated where it has a single one. */
export function alongAxis(constant: Initializer, rank: number, axis: number, size: number): Float32Array | undefined {
  const { dims } = constant;
  if (dims.length > rank) return undefined;
  const shift = rank - dims.length;
  const varies = dims.every((dim, at) => dim === 1 || (at + shift === axis && dim === size));
  if (!varies) return undefined;
  const values = readFloat32(constant);
  return values.length === size ? values : new Float32Array(size).fill(values[0] ?? 0);
}
