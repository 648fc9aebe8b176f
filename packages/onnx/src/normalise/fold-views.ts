/**
 * A constant that is only reshaped is a constant: `Reshape`, `Squeeze`, `Unsqueeze` and `Flatten` of an initializer become
 * an initializer that shares its bytes. CNTK and PyTorch exports keep weights behind such nodes, where passes that look
 * for weights would not see them.
 */
import { editGraphs } from '../graph/map-graphs.ts';
import { inferShapes } from '../infer/infer.ts';
import { countOf } from '../ir/elements.ts';
import type { Model } from '../ir/model.ts';
import { isOp } from '../ir/node.ts';
import { isFixedShape, isTensorType } from '../ir/type.ts';

const VIEWS = ['Reshape', 'Squeeze', 'Unsqueeze', 'Flatten'];

export function foldViews(model: Model): Model {
  const { values } = inferShapes(model, { useDeclared: false });
  return editGraphs(model, (editor) => {
    for (const node of editor.nodes) {
      const [from = '', ...parameters] = node.inputs;
      const [to = ''] = node.outputs;
      if (!VIEWS.some((op) => isOp(node, op)) || editor.isInput(from) || editor.isOutput(to)) continue;
      const constant = editor.initializer(from);
      const type = values.get(to);
      if (constant === undefined || !isTensorType(type) || !isFixedShape(type.shape)) continue;
      if (!parameters.every((name) => name === '' || editor.initializer(name) !== undefined)) continue;
      const dims = type.shape;
      if (dims.reduce((a, b) => a * b, 1) !== countOf(constant)) continue;
      editor.remove(node);
      editor.setType(to, null);
      editor.setInitializer(Object.freeze({ ...constant, name: to, dims: Object.freeze([...dims]) }));
    }
  });
}
