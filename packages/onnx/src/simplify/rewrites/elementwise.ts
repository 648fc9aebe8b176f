/** Operators that treat every element alike, whatever axis it lies on: axes may be reordered before or after. */

/** Of one tensor. */
export const UNARY: readonly string[] = (
  'Abs Acos Acosh Asin Asinh Atan Atanh Cast Ceil Celu Clip Cos Cosh Elu Erf Exp Floor Gelu HardSigmoid HardSwish ' +
  'IsInf IsNaN LeakyRelu Log Mish Neg Not Reciprocal Relu Round Selu Shrink Sigmoid Sign Sin Sinh Softplus Softsign Sqrt Tan Tanh ThresholdedRelu'
).split(' ');

/** Of several tensors that broadcast to each other. */
export const BROADCASTING: readonly string[] =
  'Add And Div Equal Greater GreaterOrEqual Less LessOrEqual Max Mean Min Mod Mul Or Pow Sub Sum Where Xor'.split(' ');
