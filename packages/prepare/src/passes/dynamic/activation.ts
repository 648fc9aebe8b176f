/** Activations that are quantized while the model runs, with the range they have then. */
import { createNode, type GraphEditor, type Node } from '@slipway/onnx';

interface QuantizedActivation {
  readonly quantized: string;
  readonly scale: string;
  readonly zeroPoint: string;
}

export type ActivationQuantizer = (tensor: string, before: Node) => QuantizedActivation;

/** Quantizes each tensor once, right before the first node that needs it. */
export function activationQuantizer(editor: GraphEditor): ActivationQuantizer {
  const done = new Map<string, QuantizedActivation>();
  return (tensor, before) => {
    const known = done.get(tensor);
    if (known !== undefined) return known;
    const made = {
      quantized: editor.uniqueName(`${tensor}_quantized`),
      scale: editor.uniqueName(`${tensor}_scale`),
      zeroPoint: editor.uniqueName(`${tensor}_zero_point`),
    };
    const name = editor.uniqueNodeName(`${tensor}_DynamicQuantizeLinear`);
    const outputs = [made.quantized, made.scale, made.zeroPoint];
    editor.insertBefore(before, createNode('DynamicQuantizeLinear', [tensor], outputs, { name }));
    done.set(tensor, made);
    return made;
  };
}
