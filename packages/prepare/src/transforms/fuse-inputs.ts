/**
 * Input steps as nodes in front of the graph: the last step first, as long as ONNX can express them. The input of the model
 * becomes what the step reads, so a service sends pixels as they are, a quarter of the bytes, and no code
 * beside the model has to agree with it about means and orders of channels.
 */
import { type Field, type InputTransform, tensor, writtenBy } from '@slipway/core';
import {
  createNode,
  type GraphEditor,
  initializerOf,
  intAttribute,
  intsAttribute,
  ONNX_DTYPES,
  tensorInfo,
} from '@slipway/onnx';

type Fusable = Extract<InputTransform, { transform: 'normalize' | 'transpose' }>;

const ONNX_FLOAT = ONNX_DTYPES.float32.code;

export interface FusedInputs {
  /** The steps that are left, in order. */
  readonly rest: readonly InputTransform[];
  readonly fused: readonly Fusable[];
}

/**
 * @param read what each step reads, as `traceInputs` found it
 */
export function fuseInputs(editor: GraphEditor, steps: readonly InputTransform[], read: readonly Field[]): FusedInputs {
  const rest: InputTransform[] = [];
  const fused: Fusable[] = [];
  // A value that a step left outside writes or reads is made outside, and so is all that is made before it.
  const outside = new Set<string>();
  for (const [i, step] of [...steps.entries()].reverse()) {
    const field = read[i];
    const touched = [step.from, ...writtenBy(step)];
    if (isFusable(step) && field?.kind === 'tensor' && !touched.some((name) => outside.has(name))) {
      const target = step.to ?? step.from;
      const info = editor.inputs.find((input) => input.name === target);
      const batch = info?.type?.kind === 'tensor' ? (info.type.shape?.[0] ?? '?') : undefined;
      const nodes = batch === undefined ? null : nodesOf(editor, step, field, target);
      if (batch !== undefined && nodes !== null && (step.from === target || !editor.isInput(step.from))) {
        const inner = editor.uniqueName(`${target}_transformed`);
        editor.renameTensor(target, inner);
        const shape = field.shape === null ? null : [batch, ...field.shape];
        const outer = tensorInfo(step.from, field.dtype, shape);
        editor.setInputs(editor.inputs.map((input) => (input.name === inner ? outer : input)));
        nodes(inner);
        fused.unshift(step);
        continue;
      }
    }
    rest.unshift(step);
    for (const name of touched) outside.add(name);
  }
  return { rest, fused };
}

const isFusable = (step: InputTransform): step is Fusable =>
  step.transform === 'normalize' || step.transform === 'transpose';

/** Adds the nodes that compute the value named to it from `step.from`; null where the shape says too little. */
function nodesOf(
  editor: GraphEditor,
  step: Fusable,
  field: Extract<Field, { kind: 'tensor' }>,
  target: string,
): ((inner: string) => void) | null {
  if (step.transform === 'transpose') {
    const perm = [0, ...step.order.map((axis) => axis + 1)];
    return (inner) => {
      editor.append(
        createNode('Transpose', [step.from], [inner], {
          name: editor.uniqueNodeName(`${target}/transpose`),
          attributes: [intsAttribute('perm', perm)],
        }),
      );
    };
  }
  const affine = affineOf(step, field.shape?.length);
  if (affine === null) return null;
  return (inner) => {
    let value = step.from;
    const then = (op: string, input: string | null, isLast: boolean, cast = false): void => {
      const output = isLast ? inner : editor.uniqueName(`${target}_${op.toLowerCase()}`);
      editor.append(
        createNode(op, input === null ? [value] : [value, input], [output], {
          name: editor.uniqueNodeName(`${target}/normalize/${op.toLowerCase()}`),
          ...(cast ? { attributes: [intAttribute('to', ONNX_FLOAT)] } : {}),
        }),
      );
      value = output;
    };
    const constant = (name: string, values: readonly number[]): string => {
      const unique = editor.uniqueName(`${target}_${name}`);
      const shape = values.length === 1 ? [] : [values.length, ...new Array<number>(affine.trailing).fill(1)];
      editor.setInitializer(initializerOf(unique, tensor('float32', shape, Float32Array.from(values))));
      return unique;
    };
    if (field.dtype !== 'float32') then('Cast', null, false, true);
    then('Mul', constant('scale', affine.factor), false);
    then('Add', constant('offset', affine.offset), true);
  };
}

interface Affine {
  readonly factor: readonly number[];
  readonly offset: readonly number[];
  /** Axes of a row behind the channel axis. */
  readonly trailing: number;
}

/** (x · scale − mean) / std as x · factor + offset. */
function affineOf(step: Extract<Fusable, { transform: 'normalize' }>, rank: number | undefined): Affine | null {
  const { scale = 1, mean = 0, std = 1, axis = -1 } = step;
  const channels = Math.max(...[mean, std].map((value) => (Array.isArray(value) ? value.length : 1)));
  const trailing = axis < 0 ? -axis - 1 : rank === undefined ? null : rank - 1 - axis;
  if (trailing === null) return null;
  const at = (value: number | readonly number[], channel: number): number =>
    typeof value === 'number' ? value : (value[channel] ?? 0);
  const each = Array.from({ length: channels }, (_, channel) => channel);
  return {
    factor: each.map((channel) => scale / at(std, channel)),
    offset: each.map((channel) => -at(mean, channel) / at(std, channel) + 0),
    trailing,
  };
}
