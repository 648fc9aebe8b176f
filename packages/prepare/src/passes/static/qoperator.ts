/**
 * The other form of a quantized graph: operators that take and give integers (QLinearConv, QLinearMatMul …) instead of float
 * operators between conversions. It is made of the first by putting each operator together with the conversions around it, as
 * ONNX Runtime does when it loads a QDQ model, so that the two forms compute the same and only one is planned and tested.
 *
 * Engines that do not fuse run it in integers nevertheless; in exchange most of these operators are ONNX Runtime's own
 * (com.microsoft), and no other engine knows them. What has no such operator (embeddings, transposed convolutions) keeps its
 * DequantizeLinear.
 */
import { type GraphEditor, isOp, MS_DOMAIN, type Node } from '@slipway/onnx';
import { operatorRule } from './operators.ts';

/** A quantized tensor and its parameters, in the order in which operators take them. */
type Operand = readonly [quantized: string, scale: string, zeroPoint: string];

/** What stands around an operator: operands of its inputs (null where they are not quantized) and parameters of its output. */
interface Surroundings {
  readonly node: Node;
  readonly operands: readonly (Operand | null)[];
  /** Scale and zero point of the output; null when it is read as float. */
  readonly result: readonly [scale: string, zeroPoint: string] | null;
}

interface Replacement {
  readonly op: string;
  readonly domain: string;
  readonly inputs: readonly string[];
}

const standard = (op: string, inputs: readonly string[]): Replacement => ({ op, domain: '', inputs });
const microsoft = (op: string, inputs: readonly string[]): Replacement => ({ op, domain: MS_DOMAIN, inputs });

/** The replacement, or null where the surroundings do not allow it. */
const RULES: Readonly<Record<string, (around: Surroundings) => Replacement | null>> = {
  Conv: ({ operands: [x, w, b], result }) =>
    x && w && result ? standard('QLinearConv', [...x, ...w, ...result, ...(b ? [b[0]] : [])]) : null,
  MatMul({ operands: [a, b], result }) {
    if (!a || !b) return null;
    if (result) return standard('QLinearMatMul', [...a, ...b, ...result]);
    return microsoft('MatMulIntegerToFloat', [a[0], b[0], a[1], b[1], a[2], b[2]]);
  },
  Gemm: ({ operands: [a, b, c], result }) =>
    a && b ? microsoft('QGemm', [...a, ...b, ...(c || result ? [c?.[0] ?? ''] : []), ...(result ?? [])]) : null,
  Add: binary('QLinearAdd'),
  Mul: binary('QLinearMul'),
  Concat: ({ operands, result }) =>
    result && operands.every((operand) => operand !== null)
      ? microsoft('QLinearConcat', [...result, ...operands.flat()])
      : null,
  Where: ({ node, operands: [, x, y], result }) =>
    x && y && result ? microsoft('QLinearWhere', [node.inputs[0] ?? '', ...x, ...y, ...result]) : null,
  AveragePool: (around) => (around.node.attributes.has('dilations') ? null : unary('QLinearAveragePool')(around)),
  GlobalAveragePool: unary('QLinearGlobalAveragePool'),
  LeakyRelu: unary('QLinearLeakyRelu'),
  Sigmoid: unary('QLinearSigmoid'),
};

function unary(op: string): (around: Surroundings) => Replacement | null {
  return ({ operands: [x], result }) => (x && result ? microsoft(op, [...x, ...result]) : null);
}

function binary(op: string): (around: Surroundings) => Replacement | null {
  return ({ operands: [a, b], result }) => (a && b && result ? microsoft(op, [...a, ...b, ...result]) : null);
}

/** Put every operator of `editor` together with the conversions around it, where there is an operator that computes it. */
export function toIntegerOperators(editor: GraphEditor): void {
  for (const node of editor.nodes) {
    const isMove = operatorRule(node)?.kind === 'move';
    if (isMove) moveIntegers(editor, node);
    else if (node.domain === '' && Object.hasOwn(RULES, node.op)) computeIntegers(editor, node);
  }
  // Conversions nobody reads any more: those of tensors first, then nothing reads their inputs.
  for (const node of editor.nodes) {
    const isUnread = node.outputs.every((name) => editor.consumers(name).length === 0 && !editor.isOutput(name));
    if (isOp(node, 'DequantizeLinear') && isUnread) editor.remove(node);
  }
}

function computeIntegers(editor: GraphEditor, node: Node): void {
  const [output = ''] = node.outputs;
  const quantizer = onlyQuantizer(editor, output);
  const operands = node.inputs.map((name) => operandOf(editor, name));
  const result = quantizer === undefined ? null : ([quantizer.inputs[1] ?? '', quantizer.inputs[2] ?? ''] as const);
  const replacement = RULES[node.op]?.({ node, operands, result }) ?? null;
  if (replacement === null) return;
  const outputs = quantizer === undefined ? node.outputs : quantizer.outputs;
  if (quantizer !== undefined) editor.remove(quantizer);
  editor.update(node, { ...replacement, outputs });
}

/** What only moves elements moves integers as well, when everybody wants them. */
function moveIntegers(editor: GraphEditor, node: Node): void {
  const operand = operandOf(editor, node.inputs[0] ?? '');
  const quantizers = node.outputs.map((name) => onlyQuantizer(editor, name));
  if (operand === null || quantizers.some((quantizer) => quantizer === undefined)) return;
  const outputs = quantizers.map((quantizer) => quantizer?.outputs[0] ?? '');
  for (const quantizer of quantizers) if (quantizer !== undefined) editor.remove(quantizer);
  editor.update(node, { inputs: [operand[0], ...node.inputs.slice(1)], outputs });
}

function operandOf(editor: GraphEditor, name: string): Operand | null {
  const producer = editor.producer(name);
  if (producer === undefined || !isOp(producer, 'DequantizeLinear')) return null;
  const [quantized = '', scale = '', zeroPoint = ''] = producer.inputs;
  return [quantized, scale, zeroPoint];
}

/** The QuantizeLinear that is all that reads a value. */
function onlyQuantizer(editor: GraphEditor, name: string): Node | undefined {
  const [reader, ...others] = editor.consumers(name);
  return reader !== undefined && others.length === 0 && isOp(reader, 'QuantizeLinear') && !editor.isOutput(name)
    ? reader
    : undefined;
}
