/**
 * An embedding with its table in 8 bits: rows are gathered as integers and only those become float again.
 *
 *     y = DequantizeLinear(Gather(wq, ids), ws, wz)       with one scale per embedding dimension, or one
 */
import type { PassName } from '@slipway/core';
import { createNode, intAttribute, withNode } from '@slipway/onnx';
import { quantizeArray } from '../affine.ts';
import { storeQuantized } from '../constants.ts';
import type { Target } from './plan.ts';
import type { Scope } from './scope.ts';

export function emitEmbedding(scope: Scope, pass: PassName, target: Target, perChannel: boolean): void {
  const { node, weights, values, dims } = target;
  const { editor } = scope;
  const base = weights[0]?.name ?? '';
  const [, ids = ''] = node.inputs;
  const [output = ''] = node.outputs;
  const table = scope.once(base, 'embedding', (owner) =>
    storeQuantized(owner, base, dims, quantizeArray(values(pass), dims, perChannel ? 1 : null, 'int8')),
  );
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
