/** Classical machine learning (domain ai.onnx.ml), as exported from scikit-learn and its like: rows in, rows out. */
import { getFloats, getInt, getInts } from '../ir/node.ts';
import { type Dim, type Shape, tensorType, type ValueType } from '../ir/type.ts';
import type { NodeContext, Rule } from './context.ts';

/** One row per row of the input; a vector is one row. */
function rows(c: NodeContext): Dim {
  const shape = c.shape(0);
  if (shape === null) return '?';
  return shape.length < 2 ? 1 : (shape[0] ?? '?');
}

const list = (c: NodeContext, name: string): number | undefined => {
  const attribute = c.node.attributes.get(name);
  return attribute?.kind === 'strings' || attribute?.kind === 'ints' ? attribute.value.length : undefined;
};

const classifier = (labels: string): Rule => {
  return (c) => {
    const texts = list(c, `${labels}_strings`) ?? list(c, 'classlabels_strings');
    const numbers = list(c, `${labels}_int64s`) ?? list(c, `${labels}_ints`);
    const row = rows(c);
    const types: ValueType[] = [
      tensorType(texts === undefined || texts === 0 ? 'int64' : 'string', [row]),
      tensorType('float32', [row, texts === undefined || texts === 0 ? (numbers ?? '?') : texts]),
    ];
    return types.slice(0, c.outputs);
  };
};

const regressor = (targets: (c: NodeContext) => Dim): Rule => {
  return (c) => [tensorType('float32', [rows(c), targets(c)])];
};

const sameAsFloat: Rule = (c) => [tensorType('float32', c.shape(0))];
const same: Rule = (c) => [c.tensor(0)];

const labelEncoder: Rule = (c) => {
  const has = (name: string): boolean => c.node.attributes.has(name);
  const tensor = c.node.attributes.get('values_tensor');
  if (tensor?.kind === 'tensor') return [tensorType(tensor.value.dtype, c.shape(0))];
  if (has('values_strings')) return [tensorType('string', c.shape(0))];
  if (has('values_floats')) return [tensorType('float32', c.shape(0))];
  if (has('values_int64s')) return [tensorType('int64', c.shape(0))];
  // Version 1 maps between strings and integers, whichever comes in.
  return [tensorType(c.dtype(0) === 'string' ? 'int64' : 'string', c.shape(0))];
};

const oneHot: Rule = (c) => {
  const shape = c.shape(0);
  const size: Dim = list(c, 'cats_int64s') ?? list(c, 'cats_strings') ?? '?';
  return [tensorType('float32', shape === null ? null : [...shape, size])];
};

const pick: Rule = (c) => {
  const shape = c.shape(0);
  const count = c.shape(1)?.at(-1) ?? '?';
  const result: Shape | null = shape === null ? null : shape.length === 1 ? [1, count] : shape.with(-1, count);
  return [tensorType(c.dtype(0), result)];
};

const zipMap: Rule = (c) => {
  const value = tensorType('float32', []);
  const key = (list(c, 'classlabels_strings') ?? 0) > 0 ? 'string' : 'int64';
  return [Object.freeze({ kind: 'sequence', element: Object.freeze({ kind: 'map', key, value }) })];
};

const featureVectorizer: Rule = (c) => {
  const sizes = getInts(c.node, 'inputdimensions');
  return [tensorType('float32', [rows(c), sizes === undefined ? '?' : sizes.reduce((a, b) => a + b, 0)])];
};

export const classicalRules: Readonly<Record<string, Rule>> = {
  ArrayFeatureExtractor: pick,
  Binarizer: same,
  FeatureVectorizer: featureVectorizer,
  Imputer: same,
  LabelEncoder: labelEncoder,
  LinearClassifier: classifier('classlabels'),
  LinearRegressor: regressor((c) => getInt(c.node, 'targets', 1)),
  Normalizer: sameAsFloat,
  OneHotEncoder: oneHot,
  SVMClassifier: classifier('classlabels'),
  SVMRegressor: regressor(() => 1),
  Scaler: sameAsFloat,
  TreeEnsembleClassifier: classifier('classlabels'),
  TreeEnsembleRegressor: regressor(
    (c) => getInt(c.node, 'n_targets') ?? getFloats(c.node, 'base_values')?.length ?? '?',
  ),
  ZipMap: zipMap,
};
