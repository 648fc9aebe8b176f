/** Where the mean error of a product can be taken back: its bias, or the constant that is added right behind it. */
import {
  getFloat,
  type Graph,
  type GraphEditor,
  type Initializer,
  isOp,
  type Node,
  readNames,
  usageOf,
} from '@slipway/onnx';
import { type Reader, readerOf } from '../channel-scale/consume.ts';
import { store } from '../constants.ts';

export interface BiasPlace {
  readonly node: Node;
  readonly axis: Reader['axis'];
  readonly channels: number;
  /** The initializer, which nothing else reads. */
  readonly bias: string;
  /** What the bias is multiplied with before it is added: beta of a Gemm. */
  readonly factor: number;
  /** How many corrected products there are at most between the inputs and this one. */
  readonly depth: number;
}

/** Give every convolution and Gemm a bias of its own, zero where there was none: an 8-bit kernel adds it for nothing. */
export function ensureBiases(editor: GraphEditor, isExcluded: (node: Node) => boolean): void {
  for (const node of editor.nodes) {
    const reader = readerOf(node, editor.initializers);
    if (reader === null || isOp(node, 'MatMul') || isExcluded(node)) continue;
    const [input = '', weight = '', bias = ''] = node.inputs;
    if (bias !== '') continue;
    const channels = reader.weight.dims[reader.outputAxis] ?? 0;
    const zeros = { dtype: 'float32', shape: [channels], data: new Float32Array(channels) } as const;
    editor.update(node, { inputs: [input, weight, store(editor, `${weight}_bias`, zeros)] });
  }
}

/** The places of those products that have one. */
export function biasPlaces(graph: Graph, products: readonly Node[]): BiasPlace[] {
  const usage = usageOf(graph);
  const wanted = new Set(products);
  const depths = new Map<string, number>();
  const places: BiasPlace[] = [];
  const own = (name: string | undefined, channels: number): Initializer | undefined => {
    const constant = graph.initializers.get(name ?? '');
    const isVector =
      constant?.dims.at(-1) === channels && constant.dims.every((dim, i, { length }) => i === length - 1 || dim === 1);
    return isVector && constant.dtype === 'float32' && usage.consumers(constant.name).length === 1
      ? constant
      : undefined;
  };
  for (const node of graph.nodes) {
    let depth = Math.max(0, ...[...readNames(node)].map((name) => depths.get(name) ?? 0));
    const reader = wanted.has(node) ? readerOf(node, graph.initializers) : null;
    if (reader !== null) {
      const channels = reader.weight.dims[reader.outputAxis] ?? 0;
      const output = node.outputs[0] ?? '';
      const [next] = usage.isOutput(output) ? [] : usage.consumers(output);
      const added =
        isOp(node, 'MatMul') && next !== undefined && isOp(next, 'Add') && usage.consumers(output).length === 1
          ? next.inputs.find((name) => name !== output)
          : undefined;
      const bias = own(isOp(node, 'MatMul') ? added : node.inputs[2], channels);
      const factor = isOp(node, 'Gemm') ? getFloat(node, 'beta', 1) : 1;
      if (bias !== undefined && factor !== 0) {
        places.push({ node, axis: reader.axis, channels, bias: bias.name, factor, depth });
        depth++;
      }
    }
    for (const name of node.outputs) depths.set(name, depth);
  }
  return places;
}
