/**
 * An embedding with its table in 8 bits: rows are gathered as integers and only those become float again.
 *
 *     y = DequantizeLinear(Gather(wq, ids), ws, wz)       with one scale per embedding dimension, or one
 */
import type { PassName } from '@slipway/core';
import { createNode, type GraphEditor, intAttribute, withNode } from '@slipway/onnx';
import { quantizeArray } from '../affine.ts';
import { type StoredConstant, storeQuantized } from '../constants.ts';
import type { Target } from './plan.ts';

export function emitEmbedding(
  editor: GraphEditor,
  pass: PassName,
  { node, weight, values, dims }: Target,
  perChannel: boolean,
  stored: Map<string, StoredConstant>,
): void {
  const [, ids = ''] = node.inputs;
  const [output = ''] = node.outputs;
  const key = `${weight.name}|embedding`;
  let table = stored.get(key);
  if (table === undefined) {
    table = storeQuantized(editor, weight.name, dims, quantizeArray(values(pass), dims, perChannel ? 1 : null, 'int8'));
    stored.set(key, table);
  }
  const rows = editor.uniqueName(`${output}_quantized`);
  // The gathered rows have the shape of the ids and then the embedding: its dimension is the last, whatever their rank.
  const attributes = table.axis === null ? [] : [intAttribute('axis', -1)];
  const name = editor.uniqueNodeName(`${node.name === '' ? output : node.name}_DequantizeLinear`);
  editor.replace(
    node,
    withNode(node, { inputs: [table.quantized, ids], outputs: [rows] }),
    createNode('DequantizeLinear', [rows, table.scale, table.zeroPoint], [output], { name, attributes }),
  );
}
