/**
 * `transforms.fuse`: as many of the declared transforms as ONNX can express become part of the graph, the others stay declared. It
 * happens once, right after import, because it changes what the model takes and gives: every candidate, the source
 * too, is then compared on the same rows.
 */
import { type Field, type Signature, traceInputs, traceOutputs, type Transforms } from '@slipway/core';
import { GraphEditor, type Model, opsetOf, signatureOf, upgradeOpset, withModel, withOpset } from '@slipway/onnx';
import { fuseInputs } from './fuse-inputs.ts';
import { fuseOutputs } from './fuse-outputs.ts';

/** Squeeze, Unsqueeze and ReduceSum take their axes as an input, and Softmax means one axis, from here on. */
const OPSET = 13;
const ML_DOMAIN = 'ai.onnx.ml';
/** LabelEncoder maps between any types from here on. */
const ML_OPSET = 2;

export interface Fused {
  readonly model: Model;
  /** What is left to whoever serves the model. */
  readonly rest: Transforms;
  readonly notes: readonly string[];
}

/** @throws UNSUPPORTED_OPSET, UNSUPPORTED_OPERATOR when an old model cannot be brought to the operator set this needs */
export function fuseTransforms(given: Model, transforms: Transforms, labels: readonly string[] | null): Fused {
  const model = upgradeOpset(given, OPSET);
  const signature = signatureOf(model);
  const inputs = transforms.inputs ?? [];
  const outputs = transforms.outputs ?? [];
  const editor = new GraphEditor(model.graph);
  const before = fuseInputs(
    editor,
    inputs,
    inputs.map((step, i) => readAt(transforms, signature, i, step.from)),
  );
  const afterEach = outputs.map((_, i) =>
    traceOutputs({ outputs: outputs.slice(0, i + 1) }, signature, labels?.length ?? null),
  );
  const ml = opsetOf(model, ML_DOMAIN);
  const after = fuseOutputs(editor, outputs, afterEach, labels, ml === 0 || ml >= ML_OPSET);
  const fused = withModel(model, { graph: editor.finish() });
  return {
    model: after.usesMl ? withOpset(fused, ML_DOMAIN, ML_OPSET) : fused,
    rest: { ...some('inputs', before.rest), ...some('outputs', after.rest) },
    notes: [
      ...describe('Computed inside the model', [...before.fused, ...after.fused]),
      ...describe('Left to the server', [...before.rest, ...after.rest]),
    ],
  };
}

/** What the input step `i` reads: the steps from it on, followed back from the model. */
function readAt(transforms: Transforms, signature: Signature, i: number, from: string): Field {
  const steps = transforms.inputs ?? [];
  // Steps before decide what pixels are, so all are given and those before only looked at.
  const fields = traceInputs({ inputs: steps }, signature, i);
  return fields.get(from) ?? { kind: 'text' };
}

const some = <K extends string, T>(key: K, steps: readonly T[]): { readonly [P in K]?: T[] } =>
  steps.length === 0 ? {} : ({ [key]: [...steps] } as { readonly [P in K]?: T[] });

function describe(what: string, steps: readonly { readonly transform: string; readonly from: string }[]): string[] {
  if (steps.length === 0) return [];
  return [`${what}: ${steps.map(({ transform, from }) => `${transform} of "${from}"`).join(', ')}.`];
}
