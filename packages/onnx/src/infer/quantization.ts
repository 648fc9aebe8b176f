/** Quantization: what goes to 8 bits and back, in the standard set and ONNX Runtime's. */
import { dtypeFromCode } from '../ir/dtype.ts';
import { getInt } from '../ir/node.ts';
import { tensorType } from '../ir/type.ts';
import { broadcast, CannotInfer, type Rule } from './context.ts';
import { convolutionRules } from './convolution.ts';
import { linearRules, matmulShape } from './linear.ts';
import { transformerRules } from './transformer.ts';

const quantize: Rule = (c) => {
  const code = getInt(c.node, 'output_dtype', 0);
  const declared = code === 0 ? 'uint8' : dtypeFromCode(code);
  if (declared === undefined) throw new CannotInfer(`attribute "output_dtype" is ${code}, not an element type`);
  return [tensorType(c.has(2) ? c.dtype(2) : declared, c.shape(0))];
};

const dequantize: Rule = (c) => [tensorType(c.dtype(1), c.shape(0))];

const dynamicQuantize: Rule = (c) =>
  [tensorType('uint8', c.shape(0)), tensorType('float32', []), tensorType('uint8', [])].slice(0, c.outputs);

export const quantizationRules: Readonly<Record<string, Rule>> = {
  QuantizeLinear: quantize,
  DequantizeLinear: dequantize,
  DynamicQuantizeLinear: dynamicQuantize,
};

const sameAsFirst: Rule = (c) => [c.tensor(0)];
const conv = convolutionRules['Conv'] ?? sameAsFirst;

/** Operators of com.microsoft that models and our own passes use. */
export const microsoftRules: Readonly<Record<string, Rule>> = {
  ...quantizationRules,
  FusedConv: conv,
  FusedGemm: linearRules['Gemm'] ?? sameAsFirst,
  FusedMatMul: (c) => {
    const turn = (index: number, attribute: string): ReturnType<typeof c.shape> => {
      const shape = c.shape(index);
      if (shape === null || getInt(c.node, attribute, 0) === 0) return shape;
      return [...shape.slice(0, -2), ...shape.slice(-2).reverse()];
    };
    return [tensorType(c.dtype(0), matmulShape(turn(0, 'transA'), turn(1, 'transB')))];
  },
  MatMulNBits: (c) => {
    const shape = c.shape(0);
    return [tensorType(c.dtype(0), shape === null ? null : shape.with(-1, getInt(c.node, 'N') ?? '?'))];
  },
  MatMulIntegerToFloat: (c) => [tensorType(c.dtype(2), matmulShape(c.shape(0), c.shape(1)))],
  DynamicQuantizeMatMul: (c) => [tensorType(c.dtype(0), matmulShape(c.shape(0), c.shape(1)))],
  QLinearAdd: (c) => [tensorType(c.dtype(0), broadcast(c.shape(0), c.shape(3)))],
  QLinearMul: (c) => [tensorType(c.dtype(0), broadcast(c.shape(0), c.shape(3)))],
  QLinearSigmoid: sameAsFirst,
  QLinearLeakyRelu: sameAsFirst,
  QLinearSoftmax: sameAsFirst,
  ...transformerRules,
};
