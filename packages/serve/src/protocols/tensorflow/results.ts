/**
 * What the outputs of a model mean to classify and regress. TensorFlow's signatures say it by name; an ONNX model does not say it
 * at all, so the rules are few and refuse to guess.
 *
 * Classify: the scores are the floating-point output of shape [rows, classes] or [rows]: the one named `scores`, else the
 * only one there is. The labels are, in this order: an output of strings of the same shape, or else of integers, which are
 * indices of classes (`classes`, or the only one): a release that gives the best few says by these which they are; the labels
 * of the release, when there are as many as scores; the index of the score. Classes come in the order of the
 * model, with its scores as they are: who wants probabilities of a model that gives logits adds the transform
 * `softmax` to the release. A model without scores but with strings gives these, with the score 0.
 *
 * Regress: the value is the numeric output of shape [rows] or [rows, 1]: the one named `outputs`, else the only one.
 */
import {
  fail,
  float16ToNumber,
  type Signature,
  type SlipwayError,
  type StringElement,
  type Tensor,
  type Tensors,
  type TensorSpec,
} from '@slipway/core';

export interface Classification {
  readonly rows: number;
  readonly classes: number;
  readonly label: (row: number, index: number) => StringElement;
  readonly score: (row: number, index: number) => number;
}

/** @throws REQUEST_MALFORMED when the model is no classifier by the rules above */
export function classificationOf(
  signature: Signature,
  outputs: Tensors,
  names: readonly string[] | null,
): Classification {
  const scores = choose(signature, outputs, 'scores', (spec) => spec.dtype.startsWith('float'), MATRIX);
  const fits = (tensor: Tensor): boolean =>
    scores === null ? MATRIX(tensor) : sizes(tensor).join() === sizes(scores).join();
  const labels = choose(signature, outputs, 'classes', ({ dtype }) => dtype === 'string', fits);
  const indices = labels !== null || scores === null ? null : choose(signature, outputs, 'classes', isInteger, fits);
  const first = scores ?? labels;
  if (first === null) {
    throw unfit(
      signature,
      'Classify needs an output of floats of shape [rows, classes], named "scores" if there are several',
    );
  }
  const [rows, classes] = sizes(first);
  const named = names !== null && names.length === classes ? names : null;
  return {
    rows,
    classes,
    label(row, index) {
      const at = row * classes + index;
      if (labels?.dtype === 'string') return labels.data[at] ?? '';
      if (indices === null) return named?.[index] ?? String(index);
      const label = numberAt(indices, at);
      return names?.[label] ?? String(label);
    },
    score: (row, index) => (scores === null ? 0 : numberAt(scores, row * classes + index)),
  };
}

/** @throws REQUEST_MALFORMED when the model is no regressor by the rules above */
export function regressionOf(signature: Signature, outputs: Tensors): Float32Array {
  const output = choose(
    signature,
    outputs,
    'outputs',
    ({ dtype }) => dtype !== 'string' && dtype !== 'bool',
    ({ shape }) => shape.length === 1 || (shape.length === 2 && shape[1] === 1),
  );
  if (output === null) {
    throw unfit(
      signature,
      'Expected output Tensor shape to be either [batch_size] or [batch_size, 1]: Regress needs one such output, named "outputs" if there are several',
    );
  }
  return Float32Array.from({ length: output.data.length }, (_, index) => numberAt(output, index));
}

/** The output of that name, or else the only one that fits; null when there is none, or no telling which. */
function choose(
  signature: Signature,
  outputs: Tensors,
  name: string,
  suits: (spec: TensorSpec) => boolean,
  fits: (tensor: Tensor) => boolean,
): Tensor | null {
  const candidates = signature.outputs.flatMap((spec) => {
    const tensor = outputs[spec.name];
    return tensor !== undefined && suits(spec) && fits(tensor) ? [{ name: spec.name, tensor }] : [];
  });
  const exact = candidates.find((candidate) => candidate.name === name);
  if (exact !== undefined) return exact.tensor;
  return candidates.length === 1 ? (candidates[0]?.tensor ?? null) : null;
}

const isInteger = ({ dtype }: TensorSpec): boolean => /^u?int/.test(dtype);
const MATRIX = ({ shape }: Tensor): boolean => shape.length === 1 || shape.length === 2;
const sizes = ({ shape }: Tensor): [rows: number, classes: number] => [shape[0] ?? 0, shape[1] ?? 1];

function numberAt({ dtype, data }: Tensor, index: number): number {
  const value = data[index] ?? 0;
  return dtype === 'float16' ? float16ToNumber(value as number) : Number(value);
}

function unfit({ outputs }: Signature, problem: string): SlipwayError {
  const given = outputs.map(({ name, dtype, shape }) => `"${name}" ${dtype}[${shape?.join(', ') ?? '…'}]`).join(', ');
  return fail('REQUEST_MALFORMED', { problem: `${problem}; the model gives ${given}. Use predict` });
}
