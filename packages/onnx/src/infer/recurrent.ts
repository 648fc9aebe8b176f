/** Recurrent layers: [sequence, batch, input], or [batch, sequence, input] when `layout` is 1. */
import { getInt, getString } from '../ir/node.ts';
import { type Dim, tensorType } from '../ir/type.ts';
import { CannotInfer, type Rule } from './context.ts';

const recurrent: Rule = (c) => {
  const input = c.tensor(0);
  const { shape } = input;
  if (shape !== null && shape.length !== 3) throw new CannotInfer(`needs rank 3, got ${shape.length}`);
  const directions = getString(c.node, 'direction', 'forward') === 'bidirectional' ? 2 : 1;
  const hidden: Dim = getInt(c.node, 'hidden_size') ?? c.shape(2)?.at(-1) ?? '?';
  const batchFirst = getInt(c.node, 'layout', 0) === 1;
  const [first = '?', second = '?'] = shape ?? [];
  const [sequence, batch] = batchFirst ? [second, first] : [first, second];
  const all = batchFirst ? [batch, sequence, directions, hidden] : [sequence, directions, batch, hidden];
  const last = batchFirst ? [batch, directions, hidden] : [directions, batch, hidden];
  return [all, last, last].slice(0, c.outputs).map((dims) => tensorType(input.dtype, dims));
};

export const recurrentRules: Readonly<Record<string, Rule>> = { RNN: recurrent, GRU: recurrent, LSTM: recurrent };
