/**
 * A constant that is only reshaped is a constant: `Reshape`, `Squeeze`, `Unsqueeze` and `Flatten` of an initializer become
 * an initializer that shares its bytes. CNTK and PyTorch exports keep weights behind such nodes, where passes that look
 * for weights would not see them.
 */
import type { GraphEditor } from '../graph/editor.ts';
import { editGraphs } from '../graph/map-graphs.ts';
import { inferShapes } from '../infer/infer.ts';
import { countOf } from '../ir/elements.ts';
import type { Model } from '../ir/model.ts';
import { isOp, type Node } from '../ir/node.ts';
import { isFixedShape, isTensorType, shapeSize, type ValueType } from '../ir/type.ts';

const VIEWS = ['Reshape', 'Squeeze', 'Unsqueeze', 'Flatten'];

export function foldViews(model: Model): Model {
  let inferred: ReadonlyMap<string, ValueType> | undefined;
  const edit = (editor: GraphEditor): void => {
    inferred ??= inferShapes(model, { useDeclared: false }).values;
    for (const node of editor.nodes) if (isView(node)) fold(editor, node, inferred);
  };
  return editGraphs(model, edit, { concerned: isView });
}

const isView = (node: Node): boolean => VIEWS.some((op) => isOp(node, op));

function fold(editor: GraphEditor, node: Node, types: ReadonlyMap<string, ValueType>): void {
  const [from = '', ...parameters] = node.inputs;
  const [to = ''] = node.outputs;
  if (editor.isInput(from) || editor.isOutput(to)) return;
  const constant = editor.initializer(from);
  const type = types.get(to);
  if (constant === undefined || !isTensorType(type) || !isFixedShape(type.shape)) return;
  if (!parameters.every((name) => name === '' || editor.initializer(name) !== undefined)) return;
  if (shapeSize(type.shape) !== countOf(constant)) return;
  editor.remove(node);
  editor.setType(to, null);
  editor.setInitializer(Object.freeze({ ...constant, name: to, dims: type.shape }));
}
