/** Operators that work element by element, with or without broadcasting, and those that keep the type of an input. */
import { dtypeFromCode } from '../ir/dtype.ts';
import { getInt, getString } from '../ir/node.ts';
import { tensorType } from '../ir/type.ts';
import { broadcast, CannotInfer, type NodeContext, type Rule, reshaped } from './context.ts';

const same: Rule = (c) => [c.tensor(0)];

const broadcasting: Rule = (c) => {
  const shapes = c.node.inputs.map((_, index) => c.shape(index));
  return [tensorType(c.dtype(0), broadcast(...shapes))];
};

const comparing: Rule = (c) => [tensorType('bool', broadcast(c.shape(0), c.shape(1)))];

const predicate: Rule = (c) => [tensorType('bool', c.shape(0))];

const cast: Rule = (c) => {
  const code = getInt(c.node, 'to');
  const dtype = code === undefined ? undefined : dtypeFromCode(code);
  if (dtype === undefined) throw new CannotInfer(`attribute "to" is ${code ?? 'missing'}, not an element type`);
  return [tensorType(dtype, c.shape(0))];
};

const dropout: Rule = (c) =>
  [c.tensor(0), tensorType(c.opset >= 10 ? 'bool' : c.dtype(0), c.shape(0))].slice(0, c.outputs);

const where: Rule = (c) => [tensorType(c.dtype(1), broadcast(c.shape(0), c.shape(1), c.shape(2)))];

const prelu: Rule = (c) => [reshaped(c.tensor(0), c.shape(0))];

const bitShift: Rule = (c) => {
  const direction = getString(c.node, 'direction');
  if (direction !== 'LEFT' && direction !== 'RIGHT') {
    throw new CannotInfer('attribute "direction" must be LEFT or RIGHT');
  }
  return broadcasting(c);
};

const layerNormalization = (c: NodeContext): ReturnType<Rule> => {
  const input = c.tensor(0);
  if (c.outputs === 1) return [input];
  const shape = input.shape;
  const axis = shape === null ? 0 : c.axis('axis', -1, shape.length);
  const statistics = shape === null ? null : shape.map((dim, index) => (index < axis ? dim : 1));
  return [input, tensorType('float32', statistics), tensorType('float32', statistics)].slice(0, c.outputs);
};

const table = (names: string, rule: Rule): Record<string, Rule> =>
  Object.fromEntries(names.split(' ').map((name) => [name, rule]));

export const elementwiseRules: Readonly<Record<string, Rule>> = {
  ...table(
    'Abs Acos Acosh Asin Asinh Atan Atanh Ceil Celu Cos Cosh Elu Erf Exp Floor Gelu HardSigmoid HardSwish CumProd',
    same,
  ),
  ...table(
    'LeakyRelu Log LogSoftmax LpNormalization LRN MeanVarianceNormalization Mish Neg Not Reciprocal Relu Round',
    same,
  ),
  ...table(
    'Selu Shrink Sigmoid Sign Sin Sinh Softmax Hardmax Softplus Softsign Sqrt Swish Tan Tanh ThresholdedRelu Clip CumSum',
    same,
  ),
  ...table(
    'InstanceNormalization GroupNormalization RMSNormalization BitwiseNot Trilu RotaryEmbedding TensorScatter',
    same,
  ),
  ...table('Add Sub Mul Div Pow Mod Max Min Sum Mean BitwiseAnd BitwiseOr BitwiseXor', broadcasting),
  ...table('Equal Greater GreaterOrEqual Less LessOrEqual', comparing),
  ...table('IsNaN IsInf', predicate),
  ...table('And Or Xor', comparing),
  BitShift: bitShift,
  Identity: (c) => [c.anyType(0)],
  Cast: cast,
  CastLike: (c) => [tensorType(c.dtype(1), c.shape(0))],
  Dropout: dropout,
  LayerNormalization: layerNormalization,
  PRelu: prelu,
  Where: where,
};
