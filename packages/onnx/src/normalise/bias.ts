/** Biases of rank 1: exporters write [C, 1, 1] for Conv and [1, N] for Gemm, which quantizers per channel cannot use. */
import type { GraphEditor } from '../graph/editor.ts';
import { editGraphs } from '../graph/map-graphs.ts';
import { countOf } from '../ir/elements.ts';
import type { Initializer } from '../ir/initializer.ts';
import { type Model } from '../ir/model.ts';
import { isOp, type Node } from '../ir/node.ts';

const CANDIDATES = ['Conv', 'ConvTranspose', 'Gemm'];

export function flattenBiases(model: Model): Model {
  const concerned = (node: Node): boolean => node.inputs.length > 2 && CANDIDATES.some((op) => isOp(node, op));
  const edit = (editor: GraphEditor): void => {
    for (const node of editor.nodes) {
      const name = node.inputs[2] ?? '';
      const bias = editor.initializer(name);
      if (!concerned(node) || bias === undefined || bias.dims.length === 1 || !isFlat(node, bias)) continue;
      const flat: Initializer = Object.freeze({ ...bias, dims: Object.freeze([countOf(bias)]) });
      if (editor.consumers(name).length === 1 && !editor.isOutput(name)) {
        editor.setType(name, null);
        editor.setInitializer(flat);
      } else {
        const own = editor.uniqueName(`${name}_flat`);
        editor.setInitializer(Object.freeze({ ...flat, name: own }));
        replaceInput(editor, node, 2, own);
      }
    }
  };
  return editGraphs(model, edit, { concerned });
}

/** True when the elements vary along one axis only, the one of the channels. */
function isFlat(node: Node, bias: Initializer): boolean {
  const axis = node.op === 'Gemm' ? bias.dims.length - 1 : bias.dims.length === 3 || bias.dims.length === 1 ? 0 : 1;
  return bias.dims.length > 0 && bias.dims.every((dim, index) => index === axis || dim === 1);
}

function replaceInput(editor: GraphEditor, node: Node, index: number, name: string): void {
  const { inputs } = editor.current(node) ?? node;
  editor.update(node, { inputs: inputs.with(index, name) });
}
