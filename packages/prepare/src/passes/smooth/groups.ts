/** What can be smoothed: values that products read, each with all the products that read it, because they share its scale. */
import type { Graph, Node } from '@slipway/onnx';
import { type Reader, readerOf } from '../channel-scale/consume.ts';

export interface Group {
  /** The value whose channels are divided. */
  readonly input: string;
  readonly axis: Reader['axis'];
  readonly channels: number;
  readonly readers: readonly Reader[];
}

export function groupsOf(graph: Graph, isExcluded: (node: Node) => boolean): Group[] {
  const groups = new Map<string, Reader[]>();
  for (const node of graph.nodes) {
    const reader = readerOf(node, graph.initializers);
    // The channels of a depthwise convolution are quantized apart already.
    if (reader === null || (node.op === 'Conv' && reader.weightAxis === 0) || isExcluded(node)) continue;
    const input = node.inputs[0] ?? '';
    groups.set(input, [...(groups.get(input) ?? []), reader]);
  }
  return [...groups].flatMap(([input, readers]): Group[] => {
    const [first] = readers;
    if (first === undefined || first.channels < 2) return [];
    // The same value read as an image and as a matrix: the channels are not the same ones.
    const agree = readers.every(({ axis, channels }) => axis === first.axis && channels === first.channels);
    return agree ? [{ input, axis: first.axis, channels: first.channels, readers }] : [];
  });
}
