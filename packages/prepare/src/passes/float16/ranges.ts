/**
 * What calibration rows say against float16: nodes that compute or read values beyond ±65504, which become infinite, or values most of
 * which are below 2^-14, where halves have fewer and fewer bits. Reduced inside the model to three numbers per tensor and call.
 */
import { FLOAT16_MAX, type PassName, type Tensor } from '@slipway/core';
import { intAttribute, isTensorType, type Model, type Node, ONNX_DTYPES, type ValueType } from '@slipway/onnx';
import type { PassContext } from '../../pass.ts';
import { run } from '../calibrate/collect.ts';
import { expose } from '../calibrate/expose.ts';
import type { Probe } from '../calibrate/probe.ts';
import { calibrationRows, walk } from '../calibrate/rows.ts';

/** 2^-14, the smallest half with all its bits. */
const SMALLEST_NORMAL = 2 ** -14;
/** The share of values other than zero that may lie below it. */
const MOSTLY = 0.5;

const scalar = (value: number): Tensor => ({ dtype: 'float32', shape: [], data: Float32Array.of(value) });
const NO_DIMS = [intAttribute('keepdims', 0)];
const FLOAT = [intAttribute('to', ONNX_DTYPES.float32.code)];

/** The largest |x|. */
const largest: Probe = {
  shape: [],
  identity: scalar(0),
  measure: (tensor, { node }) => node('ReduceMax', [node('Abs', [tensor])], NO_DIMS),
  join: 'Max',
};

/** How many values are not zero. */
const nonzero: Probe = {
  shape: [],
  identity: scalar(0),
  measure: (tensor, { node, constant }) =>
    node('ReduceSum', [node('Cast', [node('Greater', [node('Abs', [tensor]), constant(scalar(0))])], FLOAT)], NO_DIMS),
  join: 'Add',
};

/** How many of them are below the smallest normal half. */
const subnormal: Probe = {
  shape: [],
  identity: scalar(0),
  measure(tensor, { node, constant }) {
    const magnitude = node('Abs', [tensor]);
    const isSmall = node('Less', [magnitude, constant(scalar(SMALLEST_NORMAL))]);
    const isThere = node('Greater', [magnitude, constant(scalar(0))]);
    return node('ReduceSum', [node('Cast', [node('And', [isSmall, isThere])], FLOAT)], NO_DIMS);
  },
  join: 'Add',
};

export interface RangeVerdict {
  /** Node → why, to follow “stays float32: ”. */
  readonly high: ReadonlyMap<Node, string>;
  readonly rows: number;
}

/** Which of `nodes` the calibration rows speak against. @throws PASS_NOT_APPLICABLE when the rows cannot be used */
export async function outOfRange(
  pass: PassName,
  model: Model,
  types: ReadonlyMap<string, ValueType>,
  nodes: readonly Node[],
  context: PassContext,
): Promise<RangeVerdict> {
  const rows = calibrationRows(pass, context);
  const isFloat32 = (name: string): boolean => {
    const type = types.get(name);
    return isTensorType(type) && type.dtype === 'float32';
  };
  const touched = nodes.flatMap(({ inputs, outputs }) => [...inputs, ...outputs]).filter(isFloat32);
  const probes = new Map([...new Set(touched)].map((tensor) => [tensor, [largest, nonzero, subnormal]]));
  const exposed = expose(model, probes);
  const seen = new Map<string, { largest: number; nonzero: number; subnormal: number }>();
  for await (const outputs of run(exposed.model, walk(rows), context, 'ranges')) {
    for (const [tensor, names] of exposed.outputs) {
      const [most = 0, count = 0, below = 0] = names.map((name) => Number(outputs[name]?.data[0] ?? 0));
      const known = seen.get(tensor) ?? { largest: 0, nonzero: 0, subnormal: 0 };
      // NaN is larger than anything here.
      known.largest = known.largest >= most ? known.largest : most;
      known.nonzero += count;
      known.subnormal += below;
      seen.set(tensor, known);
    }
  }
  const high = new Map<Node, string>();
  for (const node of nodes) {
    const reasons = [...node.inputs, ...node.outputs].flatMap((name) => {
      const found = seen.get(name);
      if (found === undefined) return [];
      if (!(found.largest <= FLOAT16_MAX)) return ['values beyond ±65,504 on calibration rows'];
      return found.subnormal > found.nonzero * MOSTLY ? ['values mostly below 2^-14 on calibration rows'] : [];
    });
    if (reasons[0] !== undefined) high.set(node, reasons[0]);
  }
  return { high, rows: rows.rowCount };
}
