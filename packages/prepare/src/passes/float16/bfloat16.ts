/**
 * `precision.bfloat16`: weights are stored as bfloat16, the upper half of a float32, and widened by a Cast before they are used.
 *
 * Nothing computes in bfloat16, because nothing could: of the operators of the standard, loaded one by one with bfloat16 in the
 * place of float32, ONNX Runtime 1.30 runs on a CPU only those that move elements (Concat, Flatten, Gather, Identity, Reshape,
 * Scatter, Slice, Split, Squeeze, Transpose, Unsqueeze) and Cast, IsInf, IsNaN, Sign, Shape; it has no kernel for any sum or
 * product, and puts in no Casts of its own as it does for float16. What is left is half the size with the range of float32 and
 * 8 significant bits.
 */
import { fail, type PassSpec } from '@slipway/core';
import {
  byteLengthOf,
  createNode,
  editGraphs,
  type GraphEditor,
  type Initializer,
  intAttribute,
  type Keep,
  ONNX_DTYPES,
  spillTo,
} from '@slipway/onnx';
import type { Pass } from '../../pass.ts';
import { listNames, plural } from '../describe.ts';
import { type Exclusion, exclusion } from '../exclude.ts';
import type { Origins } from '../fold.ts';
import { assessing, preparedForQuantization, QUANTIZATION_OPSET } from '../prepared.ts';
import { checkLoads } from './check.ts';
import { truncated } from './narrow.ts';
import { describeSize } from './notes.ts';

type Spec = Extract<PassSpec, { pass: 'precision.bfloat16' }>;

/** A Cast and a name cost about as much. */
const SMALLEST_WEIGHT = 256;
export const bfloat16Pass: Pass<Spec> = {
  name: 'precision.bfloat16',
  version: 1,

  assess: assessing((model) => {
    // The first operator set whose Cast takes bfloat16 is the one quantization needs.
    const { graph } = preparedForQuantization('precision.bfloat16', model).model;
    const targets = targetsOf(graph.initializers.values()).length;
    return targets === 0
      ? { applicable: false, targets: 0, summary: 'there are no float32 weights' }
      : { applicable: true, targets, summary: `can store ${plural(targets, 'weight')} in bfloat16: half the size` };
  }),

  async apply(model, spec, context) {
    const { pass } = spec;
    const excluded = exclusion(pass, spec, model, context.source);
    const { model: start, origins, raisedFrom } = preparedForQuantization(pass, model);
    const kept: string[] = [];
    let stored = 0;
    const keep = spillTo(context.workDirectory);
    const result = editGraphs(start, (editor) => {
      for (const initializer of targetsOf(editor.initializers.values())) {
        context.signal.throwIfAborted();
        if (isExcluded(editor, initializer, excluded, origins)) kept.push(initializer.name);
        else {
          store(editor, initializer, keep);
          stored++;
        }
      }
    });
    if (stored === 0) {
      throw fail('PASS_NOT_APPLICABLE', { pass, problem: 'there are no float32 weights left to store in bfloat16' });
    }
    await checkLoads(pass, result, context);
    const notes = [
      `${plural(stored, 'weight')} stored in bfloat16 and widened when the model is loaded; ${describeSize(model, result)}.`,
      ...(kept.length > 0 ? [`Left alone because excluded: ${listNames(kept)}.`] : []),
      ...(raisedFrom === null ? [] : [`Operator set raised from ${raisedFrom} to ${QUANTIZATION_OPSET}.`]),
      'This buys size only: ONNX Runtime computes nothing in bfloat16 on a CPU, so activations stay float32.',
    ];
    return { model: result, notes };
  },
};

function targetsOf(initializers: Iterable<Initializer>): Initializer[] {
  return [...initializers].filter((one) => one.dtype === 'float32' && byteLengthOf(one) >= SMALLEST_WEIGHT);
}

/** Readers in bodies count for the node that holds them. */
function isExcluded(editor: GraphEditor, { name }: Initializer, excluded: Exclusion, origins: Origins): boolean {
  return excluded.has(name, ...(origins.get(name) ?? []), ...editor.consumers(name));
}

/** The name stays with the float32 value, so that nothing that reads it changes. */
function store(editor: GraphEditor, initializer: Initializer, keep: Keep): void {
  const name = editor.uniqueName(`${initializer.name}_bfloat16`);
  editor.removeInitializer(initializer.name);
  editor.setInitializer({ ...keep(truncated(initializer)), name });
  const [first] = editor.nodes;
  const cast = createNode('Cast', [name], [initializer.name], {
    name: editor.uniqueNodeName(`${name}_cast`),
    attributes: [intAttribute('to', ONNX_DTYPES.float32.code)],
  });
  if (first === undefined) editor.append(cast);
  else editor.insertBefore(first, cast);
}
