/** Output steps as nodes behind the graph: the first step first, as long as ONNX can express them. */
import { type Dim, type Field, type Fields, type OutputTransform, tensor } from '@slipway/core';
import {
  type Attribute,
  createNode,
  type GraphEditor,
  initializerOf,
  intAttribute,
  stringAttribute,
  intsAttribute,
  ONNX_DTYPES,
  stringsAttribute,
  tensorInfo,
} from '@slipway/onnx';

const ML_DOMAIN = 'ai.onnx.ml';
const ONNX_FLOAT = ONNX_DTYPES.float32.code;
/** What padding adds to a sum of squares: nothing that float32 would notice, unless the vector is zero. */
const TINY = 1e-12;

export interface FusedOutputs {
  readonly rest: readonly OutputTransform[];
  readonly fused: readonly OutputTransform[];
  /** An operator of ai.onnx.ml was used. */
  readonly usesMl: boolean;
}

/**
 * @param after what there is after each step, as `traceOutputs` found it
 * @param mayUseMl whether the model may import a version of ai.onnx.ml that has LabelEncoder for any types
 */
export function fuseOutputs(
  editor: GraphEditor,
  steps: readonly OutputTransform[],
  after: readonly Fields[],
  labels: readonly string[] | null,
  mayUseMl: boolean,
): FusedOutputs {
  let usesMl = false;
  for (const [i, step] of steps.entries()) {
    const info = editor.outputs.find((output) => output.name === step.from);
    const batch =
      info?.type?.kind === 'tensor' && (info.type.dtype === 'float32' || step.transform === 'transpose')
        ? info.type.shape?.[0]
        : undefined;
    const needsLabels = step.transform === 'classify' && labels !== null;
    const made = editor.producer(step.from) !== undefined;
    if (batch === undefined || !made || (needsLabels && !mayUseMl)) {
      return { rest: steps.slice(i), fused: steps.slice(0, i), usesMl };
    }
    append(editor, step, batch, after[i] ?? new Map<string, Field>(), labels);
    usesMl ||= needsLabels;
  }
  return { rest: [], fused: steps, usesMl };
}

function append(
  editor: GraphEditor,
  step: OutputTransform,
  batch: Dim,
  after: Fields,
  labels: readonly string[] | null,
): void {
  const scores = editor.uniqueName(`${step.from}_before_${step.transform}`);
  editor.renameTensor(step.from, scores);
  const written =
    step.transform === 'classify' ? [step.label ?? 'label', step.score ?? 'score'] : [step.to ?? step.from];
  const outputs = written.map((name) => {
    const field = after.get(name);
    if (field?.kind !== 'tensor') return tensorInfo(name, 'float32', null);
    return tensorInfo(name, field.dtype, field.shape === null ? null : [batch, ...field.shape]);
  });
  editor.setOutputs(editor.outputs.flatMap((output) => (output.name === scores ? outputs : [output])));

  const op = (
    name: string,
    inputs: readonly string[],
    made: string | readonly string[] | null,
    attributes: readonly Attribute[] = [],
    domain = '',
  ): string => {
    const names = made === null ? [editor.uniqueName(`${step.from}_${name.toLowerCase()}`)] : [made].flat();
    const node = editor.uniqueNodeName(`${step.from}/${step.transform}/${name}`);
    editor.append(createNode(name, inputs, names, { name: node, attributes, domain }));
    return names[0] ?? '';
  };
  const integers = (name: string, values: readonly number[]): string => {
    const unique = editor.uniqueName(`${step.from}_${name}`);
    const value = tensor('int64', [values.length], BigInt64Array.from(values, BigInt));
    editor.setInitializer(initializerOf(unique, value));
    return unique;
  };
  const float = (name: string, value: number): string => {
    const unique = editor.uniqueName(`${step.from}_${name}`);
    editor.setInitializer(initializerOf(unique, tensor('float32', [], Float32Array.of(value))));
    return unique;
  };

  const [first = '', second = ''] = written;
  switch (step.transform) {
    case 'softmax':
      op('Softmax', [scores], first, [intAttribute('axis', -1)]);
      return;
    case 'transpose':
      op('Transpose', [scores], first, [intsAttribute('perm', [0, ...step.order.map((axis) => axis + 1)])]);
      return;
    case 'sigmoid':
      op('Sigmoid', [scores], first);
      return;
    case 'l2Normalize': {
      const squares = op('Mul', [scores, scores], null);
      const sum = op('ReduceSum', [squares, integers('last_axis', [-1])], null);
      const length = op('Sqrt', [op('Max', [sum, float('smallest', TINY)], null)], null);
      op('Div', [scores, length], first);
      return;
    }
    case 'meanPool': {
      const axis = integers('token_axis', [1]);
      const noKeep = [intAttribute('keepdims', 0)];
      if (step.mask === undefined) {
        const tokens = op('Gather', [op('Shape', [scores], null), integers('tokens', [1])], null);
        const count = op('Cast', [tokens], null, [intAttribute('to', ONNX_FLOAT)]);
        op('Div', [op('ReduceSum', [scores, axis], null, noKeep), count], first);
        return;
      }
      const mask = op('Cast', [step.mask], null, [intAttribute('to', ONNX_FLOAT)]);
      const column = op('Unsqueeze', [mask, integers('width_axis', [2])], null);
      const sum = op('ReduceSum', [op('Mul', [scores, column], null), axis], null, noKeep);
      const count = op('Max', [op('ReduceSum', [column, axis], null, noKeep), float('one', 1)], null);
      op('Div', [sum, count], first);
      return;
    }
    case 'classify': {
      const top = step.top ?? 1;
      const k = integers('top', [top]);
      const axis = integers('class_axis', [-1]);
      const best = editor.uniqueName(`${step.from}_best_scores`);
      const index = editor.uniqueName(`${step.from}_best_classes`);
      const single = top === 1;
      op(
        'TopK',
        [scores, k],
        [single ? best : second, single || labels !== null ? index : first],
        [intAttribute('axis', -1), intAttribute('largest', 1), intAttribute('sorted', 1)],
      );
      if (single) op('Squeeze', [best, axis], second);
      const classes = single ? op('Squeeze', [index, axis], labels === null ? first : null) : index;
      if (labels === null) return;
      const keys = labels.map((_, i) => i);
      op(
        'LabelEncoder',
        [classes],
        first,
        [
          intsAttribute('keys_int64s', keys),
          stringsAttribute('values_strings', labels),
          stringAttribute('default_string', ''),
        ],
        ML_DOMAIN,
      );
    }
  }
}
