/**
 * Inputs divided by the scales of AWQ, once per tensor and graph, whoever reads it: in the constants of what computes the tensor
 * (the gain of a normalization, say) where only products with these scales read it, otherwise by a Mul.
 */
import { numbersToFloat16 } from '@slipway/core';
import { createInitializer, createNode, type GraphEditor, type Node } from '@slipway/onnx';
import { foldIntoProducer } from '../channel-scale/produce.ts';
import { dropUnread } from '../constants.ts';

export interface InputScale {
  readonly scales: Float32Array;
  readonly half: boolean;
}

/**
 * @param unique a name that no value in the model has, like the one given
 * @param mayChange false for nodes whose constants must stay
 */
export function inputScaler(
  scaleOf: (node: Node) => InputScale | undefined,
  unique: (base: string) => string,
  mayChange: (node: Node) => boolean,
): (editor: GraphEditor, node: Node) => string {
  const made = new Map<GraphEditor, Map<string, string>>();
  return (editor, node) => {
    const [input = ''] = node.inputs;
    const scale = scaleOf(node);
    if (scale === undefined) return input;
    const known = made.get(editor) ?? new Map<string, string>();
    made.set(editor, known);
    const existing = known.get(input);
    if (existing !== undefined) return existing;
    const inverse = scale.scales.map((value) => 1 / value);
    const isReader = (reader: Node): boolean => reader.inputs[0] === input && scaleOf(reader) !== undefined;
    if (fold(editor, input, inverse, isReader, mayChange)) {
      known.set(input, input);
      return input;
    }
    const data = scale.half ? numbersToFloat16(inverse) : inverse;
    const factors = unique(`${input}_factors`);
    editor.setInitializer(
      createInitializer(factors, scale.half ? 'float16' : 'float32', [inverse.length], new Uint8Array(data.buffer)),
    );
    const output = unique(`${input}_scaled`);
    editor.insertBefore(node, createNode('Mul', [input, factors], [output], { name: editor.uniqueNodeName(output) }));
    known.set(input, output);
    return output;
  };
}

/** False when that cannot be done. */
function fold(
  editor: GraphEditor,
  input: string,
  factors: Float32Array,
  isReader: (node: Node) => boolean,
  mayChange: (node: Node) => boolean,
): boolean {
  const place = { axis: 'last', channels: factors.length, rank: null } as const;
  const found = foldIntoProducer(editor, input, place, isReader, mayChange);
  if (found === null) return false;
  const before = found.nodes.flatMap((node) => node.inputs).filter((name) => editor.initializer(name) !== undefined);
  found.apply(Float64Array.from(factors));
  dropUnread(editor, before);
  return true;
}
