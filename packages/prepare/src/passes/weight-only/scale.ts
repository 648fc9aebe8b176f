/** Inputs divided by the scales of AWQ: one Mul per tensor and graph, whoever reads it. */
import { numbersToFloat16 } from '@slipway/core';
import { createInitializer, createNode, type GraphEditor, type Node } from '@slipway/onnx';

export interface InputScale {
  readonly scales: Float32Array;
  readonly half: boolean;
}

/** @param unique a name that no value in the model has, like the one given */
export function inputScaler(
  scaleOf: (node: Node) => InputScale | undefined,
  unique: (base: string) => string,
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
