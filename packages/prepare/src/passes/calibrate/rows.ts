/** Calibration rows: whether they can be used at all, and how many of them the model is given at a time. */
import { type Dataset, fail, fixedBatch, type PassName, rowsOf, type Tensors } from '@slipway/core';
import type { PassContext } from '../../pass.ts';
import { findNotFinite } from '../../validate/not-finite.ts';

/** Rows per call where the model leaves the choice: enough to amortize a call, few enough for any memory. */
const ROWS_PER_CALL = 16;

/** With fewer rows, ranges are those of some examples and not of the data: worth a warning. */
export const FEW_ROWS = 16;

/**
 * The rows of the build, each of which has been looked at.
 * @throws PASS_NOT_APPLICABLE when there are none, or too few for one call, or one has values that are not finite
 */
export function calibrationRows(pass: PassName, { calibration }: PassContext): Dataset {
  const refuse = (problem: string): Error => fail('PASS_NOT_APPLICABLE', { pass, problem });
  if (calibration === null) {
    throw refuse(
      'it needs calibration data: give `data.calibration` in the config 100 to 200 typical rows that are not evaluation rows',
    );
  }
  const { signature, rowCount, inputs } = calibration;
  if (rowCount === 0) throw refuse('the calibration data has no rows; 100 to 200 typical ones are enough');
  const size = fixedBatch(signature) ?? 1;
  if (size < 1 || rowCount < size) {
    throw refuse(`the model takes ${size} rows per call and there are ${rowCount} calibration rows`);
  }
  for (const { name } of signature.inputs) {
    if (inputs[name] === undefined) throw refuse(`the calibration data has nothing for the input "${name}"`);
  }
  const odd = findNotFinite(calibration);
  if (odd !== null) {
    const { row, input, kind } = odd.first;
    throw refuse(`row ${row} of the calibration data has ${kind} in the input "${input}"; repair or remove it`);
  }
  return calibration;
}

/** What decides how rows are cut into calls, besides a number that is asked for: part of what observations depend on. */
export const callOf = ({ signature, isRagged }: Dataset): number | null =>
  fixedBatch(signature) ?? (isRagged ? 1 : null);

/** A way through the rows, one call after the other. */
export interface Walk {
  readonly batches: Iterable<Tensors>;
  /** The rows [from, to) of the call drawn last. */
  readonly current: { readonly from: number; readonly to: number };
}

/** Every row, in order; of a model that takes exactly n rows per call, all that fill a call. Rows that differ in shape go one by one. */
export function walk(calibration: Dataset, rows = ROWS_PER_CALL, limit = calibration.rowCount): Walk {
  const fixed = fixedBatch(calibration.signature);
  const count = Math.min(limit, calibration.rowCount);
  const end = fixed === null ? count : Math.max(fixed, count - (count % fixed));
  const size = callOf(calibration) ?? rows;
  let [from, to] = [0, 0];
  function* batches(): Generator<Tensors> {
    while (to < end) {
      [from, to] = [to, Math.min(end, to + size)];
      yield rowsOf(calibration, from, to);
    }
  }
  return {
    batches: batches(),
    get current() {
      return { from, to };
    },
  };
}

/** How a message names rows. */
export function describeRows({ firstRow }: Dataset, { from, to }: Walk['current']): string {
  return to - from === 1
    ? `calibration row ${firstRow + from}`
    : `calibration rows ${firstRow + from} to ${firstRow + to - 1}`;
}
