/** What ONNX Runtime fuses transformers into. Their inputs are [batch, sequence, width]. */
import { getInts } from '../ir/node.ts';
import { type Dim, isFixed, tensorType, UNKNOWN_DIM, type ValueType } from '../ir/type.ts';
import { CannotInfer, type NodeContext, type Rule } from './context.ts';

const sameAsFirst: Rule = (c) => [c.tensor(0)];

/** Normalization of a sum: the result, two statistics, the sum. */
const skipNormalization: Rule = (c) => {
  const input = c.tensor(0);
  const outputs: (ValueType | null)[] = [input, null, null, input];
  return outputs.slice(0, c.outputs);
};

function rows(c: NodeContext, index: number): readonly Dim[] {
  const shape = c.shape(index);
  if (shape === null) return [UNKNOWN_DIM, UNKNOWN_DIM];
  if (shape.length !== 3) throw new CannotInfer(`input ${index} has rank ${shape.length}, not 3`);
  return shape.slice(0, 2);
}

/** Past keys and values are not followed. */
const others = (c: NodeContext): null[] => c.node.outputs.slice(1).map(() => null);

const attention: Rule = (c) => {
  const columns = c.shape(1)?.[1];
  const width = getInts(c.node, 'qkv_hidden_sizes')?.[2] ?? (isFixed(columns) ? columns / 3 : UNKNOWN_DIM);
  return [tensorType(c.dtype(0), [...rows(c, 0), width]), ...others(c)];
};

const multiHeadAttention: Rule = (c) => {
  // Without separate values, query and key hold all three in layouts of their own.
  if (!c.has(2)) throw new CannotInfer('packed inputs are not followed');
  const value = c.shape(2);
  const width =
    value?.length === 3 ? value[2] : isFixed(value?.[1]) && isFixed(value[3]) ? value[1] * value[3] : UNKNOWN_DIM;
  return [tensorType(c.dtype(0), [...rows(c, 0), width ?? UNKNOWN_DIM]), ...others(c)];
};

/** The result is as wide as the queries, unless they hold keys and values as well. */
const groupQueryAttention: Rule = (c) => {
  if (!c.has(1)) throw new CannotInfer('packed inputs are not followed');
  return [c.tensor(0), ...others(c)];
};

const embedLayerNormalization: Rule = (c) => {
  const ids = c.shape(0);
  const width = c.shape(2)?.[1] ?? UNKNOWN_DIM;
  const output = tensorType(c.dtype(2), ids === null ? null : [...ids, width]);
  const outputs = [output, tensorType('int32', [ids?.[0] ?? UNKNOWN_DIM]), output];
  return outputs.slice(0, c.outputs);
};

export const transformerRules: Readonly<Record<string, Rule>> = {
  Gelu: sameAsFirst,
  FastGelu: sameAsFirst,
  BiasGelu: sameAsFirst,
  QuickGelu: sameAsFirst,
  RotaryEmbedding: sameAsFirst,
  Attention: attention,
  MultiHeadAttention: multiHeadAttention,
  GroupQueryAttention: groupQueryAttention,
  EmbedLayerNormalization: embedLayerNormalization,
  SkipLayerNormalization: skipNormalization,
  SkipSimplifiedLayerNormalization: skipNormalization,
};
