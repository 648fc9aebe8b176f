/**
 * Which values occur: the range of each tensor over the calibration rows, as the chosen method sees it.
 *
 * `minmax` and `ema` need the extremes of each call, which the model computes itself. The others need the distribution of
 * the values (histogram.ts). The rows are streamed either way, and looked at before: a NaN among them is the first thing to say.
 */
import type { CalibrationSpec, PassName } from '@slipway/core';
import type { Model } from '@slipway/onnx';
import type { PassContext } from '../../pass.ts';
import { listNames, plural } from '../describe.ts';
import { CANDIDATES, chooseRanges } from './auto.ts';
import { collectExtremes, type Merge, union } from './collect.ts';
import { estimateRanges, type Estimated } from './estimate.ts';
import { methodOf, nameOf } from './method.ts';
import type { Range, Target } from './range.ts';
import { calibrationRows, callOf, FEW_ROWS } from './rows.ts';
import { shared } from './shared.ts';

export interface CalibrationOptions extends Target {
  /** As the config says it. Default `minmax`. */
  readonly method: CalibrationSpec | undefined;
}

export interface Calibration {
  /** Without the tensors that no row computed. */
  readonly ranges: ReadonlyMap<string, Range>;
  /** Tensors that no row computed: they are in a branch that was not taken, or in a body that never ran. */
  readonly unseen: readonly string[];
  readonly rows: number;
  /** How the ranges were found and what was odd about the rows: one sentence each. */
  readonly notes: readonly string[];
}

/**
 * @param tensors float32 values of any graph of the model, also in bodies of If, Loop and Scan; a name that several
 *   branches use stands for all of them
 * @throws PASS_NOT_APPLICABLE when there are no usable rows, or a tensor takes values that are not finite
 */
export async function calibrate(
  pass: PassName,
  model: Model,
  tensors: readonly string[],
  options: CalibrationOptions,
  context: PassContext,
): Promise<Calibration> {
  const rows = calibrationRows(pass, context);
  const method = methodOf(options.method);
  const found = await (async (): Promise<{ ranges: ReadonlyMap<string, Range>; notes: readonly string[] }> => {
    const count = plural(rows.rowCount, 'calibration row');
    if (method.method === 'minmax' || method.method === 'ema') {
      const merge = method.method === 'ema' ? averaging(method.momentum ?? DEFAULT_MOMENTUM) : union;
      const about = { extremes: method, call: callOf(rows) };
      const ranges = await shared(about, model, tensors, context, (unknown) =>
        collectExtremes(pass, model, unknown, rows, context, merge),
      );
      const how = method.method === 'ema' ? 'moving averages of the' : 'the';
      const note = `Ranges of ${plural(ranges.size, 'tensor')} are ${how} smallest and largest values of ${count}.`;
      return { ranges, notes: [note] };
    }
    const estimators = method.method === 'auto' ? CANDIDATES : [method];
    const estimated = await estimateRanges(pass, model, tensors, estimators, options, rows, context);
    if (method.method === 'auto') {
      const choice = await chooseRanges(pass, model, estimated, options, rows, context);
      return { ranges: choice.ranges, notes: [choice.note, ...cuts(choice.ranges, estimated)] };
    }
    const ranges = new Map(
      [...estimated].flatMap(
        ([
          tensor,
          {
            by: [range],
          },
        ]) => (range ? [[tensor, range]] : []),
      ),
    );
    const note = `Ranges of ${plural(ranges.size, 'tensor')} by ${nameOf(method)} over ${count}.`;
    return { ranges, notes: [note, ...cuts(ranges, estimated)] };
  })();
  const unseen = tensors.filter((tensor) => !found.ranges.has(tensor));
  const notes = [...found.notes, ...oddities(found.ranges, unseen, rows.rowCount)];
  return { ranges: found.ranges, unseen, rows: rows.rowCount, notes };
}

/** What ONNX Runtime and PyTorch use. */
const DEFAULT_MOMENTUM = 0.01;

/**
 * The exponential moving average, corrected for its start: call n (from 0) weighs c / (1 − (1 − c)^(n + 1)). The plain one would start
 * at the first call and, with the few calls that calibration has, stay there; so corrected it is their weighted mean
 * from the first on, and the same as the plain one after many.
 */
const averaging =
  (momentum: number): Merge =>
  (known, found, calls) => {
    const weight = momentum / (1 - (1 - momentum) ** (calls + 1));
    return {
      min: known.min + weight * (found.min - known.min),
      max: known.max + weight * (found.max - known.max),
    };
  };

/** How many ranges leave values out, and which the most. */
function cuts(ranges: ReadonlyMap<string, Range>, estimated: ReadonlyMap<string, Estimated>): string[] {
  const cut = [...estimated].flatMap(
    ([
      tensor,
      {
        whole: { min, max },
      },
    ]) => {
      const range = ranges.get(tensor);
      if (range === undefined || max === min) return [];
      const share = (range.max - range.min) / (max - min);
      return share < 1 ? [{ tensor, share, range, min, max }] : [];
    },
  );
  const [most] = cut.sort((a, b) => a.share - b.share);
  if (most === undefined) return ['No range leaves a value out.'];
  const { tensor, range, min, max } = most;
  return [
    `${plural(cut.length, 'range')} ${cut.length === 1 ? 'leaves' : 'leave'} values out, most of all ${tensor}: ${interval(range)} of ${interval({ min, max })}.`,
  ];
}

const interval = ({ min, max }: Range): string => `[${Number(min.toPrecision(3))}, ${Number(max.toPrecision(3))}]`;

function oddities(ranges: ReadonlyMap<string, Range>, unseen: readonly string[], rows: number): string[] {
  const notes: string[] = [];
  if (rows < FEW_ROWS) {
    notes.push(
      `There are only ${plural(rows, 'calibration row')}: other rows may well leave these ranges; 100 to 200 are usual.`,
    );
  }
  const dead = [...ranges].filter(([, { min, max }]) => min === max).map(([tensor]) => tensor);
  if (dead.length > 0) {
    notes.push(`Constant over all calibration rows, which may mean that the rows are not typical: ${listNames(dead)}.`);
  }
  if (unseen.length > 0) {
    notes.push(`No calibration row computes ${listNames(unseen)}: of values never seen there is no range.`);
  }
  return notes;
}
