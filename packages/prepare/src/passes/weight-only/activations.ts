/**
 * XᵀX of what products are given, over the calibration rows: all that GPTQ and AWQ need to know of activations.
 *
 * The model computes it itself, as a product more per tensor, so activations never leave the runner: per call there
 * is one [columns, columns] matrix per tensor, whatever the number of tokens. They are summed here in double precision. Tensors
 * are observed a group at a time, in the order of the graph, so that memory is bounded; the rows are run again for each group.
 *
 * The inputs are those of the float model. Observing the model quantized so far, as the GPTQ paper does, lets later layers make
 * up for earlier ones, and needs a run per layer; the error of a layer then also depends on all before it.
 */
import { fail, type PassName, type Tensor } from '@slipway/core';
import { intAttribute, intsAttribute, type Model, ONNX_DTYPES } from '@slipway/onnx';
import type { PassContext } from '../../pass.ts';
import { run } from '../calibrate/collect.ts';
import { expose } from '../calibrate/expose.ts';
import type { Probe } from '../calibrate/probe.ts';
import { calibrationRows, describeRows, walk } from '../calibrate/rows.ts';

export interface Observed {
  readonly tensor: string;
  readonly columns: number;
}

/** Bytes of sums held at a time; a larger single matrix is held alone. */
const GROUP_BYTES = 2 ** 28;

/**
 * Call `use` with XᵀX [columns, columns] of each tensor, in order; zeros where no row led to it.
 * @throws PASS_NOT_APPLICABLE when there are no rows, or a tensor takes values that are not finite
 */
export async function observe(
  pass: PassName,
  model: Model,
  tensors: readonly Observed[],
  context: PassContext,
  use: (tensor: Observed, gram: Float64Array) => void,
): Promise<void> {
  for (const group of groupsOf(tensors)) {
    const grams = await sumProducts(pass, model, group, context);
    for (const [i, tensor] of group.entries()) {
      context.signal.throwIfAborted();
      const gram = grams[i];
      if (gram !== undefined) use(tensor, gram);
      // One of thousands of inputs takes as much as all weights of its layer.
      grams[i] = undefined;
    }
  }
}

function groupsOf(tensors: readonly Observed[]): Observed[][] {
  const groups: Observed[][] = [];
  let bytes = Infinity;
  for (const tensor of tensors) {
    const own = tensor.columns ** 2 * Float64Array.BYTES_PER_ELEMENT;
    if (bytes + own > GROUP_BYTES) {
      groups.push([]);
      bytes = 0;
    }
    bytes += own;
    groups.at(-1)?.push(tensor);
  }
  return groups;
}

async function sumProducts(
  pass: PassName,
  model: Model,
  tensors: readonly Observed[],
  context: PassContext,
): Promise<(Float64Array | undefined)[]> {
  const rows = calibrationRows(pass, context);
  const exposed = expose(model, new Map(tensors.map(({ tensor, columns }) => [tensor, [products(columns)]])));
  const sums = tensors.map(({ columns }) => new Float64Array(columns * columns));
  const steps = walk(rows);
  for await (const outputs of run(exposed.model, steps, context, 'observe')) {
    for (const [i, { tensor }] of tensors.entries()) {
      const [name] = exposed.outputs.get(tensor) ?? [];
      // A tensor that is nowhere in the model belongs to a product nobody runs.
      if (name === undefined || addInto(sums[i], outputs[name])) continue;
      const problem = `the tensor "${tensor}" is not finite, or too large to square, for ${describeRows(rows, steps.current)}; exclude the nodes that read it, or remove the rows`;
      throw fail('PASS_NOT_APPLICABLE', { pass, problem });
    }
  }
  return sums;
}

/** XᵀX of a tensor whose last axis has this length, in float32. */
const products = (columns: number): Probe => ({
  shape: [columns, columns],
  identity: { dtype: 'float32', shape: [columns, columns], data: new Float32Array(columns * columns) },
  measure: (tensor, { node, constant }) => {
    const float = node('Cast', [tensor], [intAttribute('to', ONNX_DTYPES.float32.code)]);
    const shape = constant({ dtype: 'int64', shape: [2], data: BigInt64Array.of(-1n, BigInt(columns)) });
    const rows = node('Reshape', [float, shape]);
    return node('MatMul', [node('Transpose', [rows], [intsAttribute('perm', [1, 0])]), rows]);
  },
  join: 'Add',
});

/** False when a sum of squares is not finite. */
function addInto(sum: Float64Array | undefined, value: Tensor | undefined): boolean {
  if (sum === undefined || value?.dtype !== 'float32') return false;
  const { data } = value;
  for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] ?? 0) + (data[i] ?? NaN);
  const step = Math.sqrt(sum.length) + 1;
  for (let i = 0; i < sum.length; i += step) if (!Number.isFinite(sum[i])) return false;
  return true;
}
