/**
 * The operators between convolutions and matrix products that can take and give quantized values, and under what conditions
 * ONNX Runtime makes an integer kernel of them (examined with 1.30: what is not here stays float between conversions, as Pad,
 * Clip, Tanh, ReduceMean and linear Resize do, and gains nothing from being surrounded by them).
 *
 * Softmax stays float although there is a QLinearSoftmax. Over 384 tokens its values lie around 1/384, less than a step of the
 * usual range [0, 1], so that attention rounds to nothing; and with the range that was measured, the kernel lets values at
 * the end of the range wrap to zero. In float, what it gives is quantized with the measured range, and saturates.
 */
import { getString, type Graph, type Initializer, type Node } from '@slipway/onnx';

export interface OperatorRule {
  /** `join`: computes new values. `move`: only moves values, so that the output has the range of the input. */
  readonly kind: 'join' | 'move';
  /** Positions of the inputs that are quantized; null: all. The others (shapes, axes, conditions) are left as they are. */
  readonly data: readonly number[] | null;
  /** Whether one of the inputs may be a constant, which is then stored quantized. */
  readonly constant?: boolean;
  readonly accepts?: (node: Node) => boolean;
}

const FIRST = [0] as const;
const move: OperatorRule = { kind: 'move', data: FIRST };
const join: OperatorRule = { kind: 'join', data: FIRST };

const RULES: Readonly<Record<string, OperatorRule>> = {
  Add: { kind: 'join', data: null, constant: true },
  Mul: { kind: 'join', data: null, constant: true },
  Concat: { kind: 'join', data: null },
  Where: { kind: 'join', data: [1, 2] },
  AveragePool: join,
  GlobalAveragePool: join,
  LeakyRelu: join,
  Sigmoid: join,

  DepthToSpace: move,
  Expand: move,
  Flatten: move,
  Gather: move,
  Identity: move,
  MaxPool: { ...move, accepts: ({ outputs }) => outputs.length === 1 },
  Reshape: move,
  // Interpolation computes in float.
  Resize: { ...move, accepts: (node) => getString(node, 'mode', 'nearest') === 'nearest' },
  Slice: move,
  Split: move,
  Squeeze: move,
  Tile: move,
  Transpose: move,
  Unsqueeze: move,
};

export function operatorRule(node: Node): OperatorRule | null {
  if (node.domain !== '' || !Object.hasOwn(RULES, node.op)) return null;
  const rule = RULES[node.op];
  return rule !== undefined && (rule.accepts?.(node) ?? true) ? rule : null;
}

/** The constant a join reads beside a computed value: its position, or null when there is none. */
export function constantOperand(node: Node, rule: OperatorRule, graph: Graph): number | null {
  if (rule.constant !== true) return null;
  const at = node.inputs.findIndex((name) => graph.initializers.has(name));
  return at === -1 ? null : at;
}

export const isFloat32 = (constant: Initializer | undefined): boolean => constant?.dtype === 'float32';
