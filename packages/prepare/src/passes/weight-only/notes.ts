/** What the pass did, for people. */
import { describeNode } from '@slipway/onnx';
import { listNames, percent, plural } from '../describe.ts';
import type { Target } from './judge.ts';

export interface Done {
  readonly target: Target;
  /** Relative. */
  readonly error: number;
  /** The error is of what the product computes over the calibration rows; otherwise of the weights. */
  readonly measured: boolean;
}

/** How many of the worst layers are named. */
const WORST = 5;

export function describeWeights(done: readonly Done[], before: number, after: number): string[] {
  const notes = [...Map.groupBy(done, ({ target }) => describeForm(target)).entries()].map(
    ([form, all]) => `${plural(all.length, 'matrix', 'matrices')} stored in ${form}.`,
  );
  notes.push(`Constants ${before.toLocaleString('en')} → ${after.toLocaleString('en')} bytes.`);
  const [measured, blind] = [done.filter((each) => each.measured), done.filter((each) => !each.measured)];
  if (measured.length > 0) {
    notes.push(describeErrors(measured, 'Relative error of what products compute on calibration rows'));
  }
  if (blind.length > 0) notes.push(describeErrors(blind, 'Relative error of the weights'));
  return notes;
}

function describeForm({ grid, settings, kind }: Target): string {
  const whole = kind === 'embedding' ? 'one block per entry' : 'one block per column';
  const blocks = settings.blockSize === 'column' ? whole : `blocks of ${grid.blockSize}`;
  const zeros = grid.symmetric ? 'symmetric' : 'with zero points';
  return `${grid.bits} bits (${kind === 'embedding' ? 'embeddings, ' : ''}${settings.algorithm}, ${blocks}, ${zeros})`;
}

export function describeLevel(level: number): string {
  return level === 4
    ? 'Accuracy level 4: products quantize their input to 8 bits per block and compute in integers; 0 computes in float.'
    : `Accuracy level ${level}: products compute in ${level === 0 ? 'the type of their input' : (['', 'float32', 'float16', 'bfloat16'][level] ?? '')}.`;
}

/** The median and the worst, which are where to look when accuracy drops. */
function describeErrors(done: readonly Done[], what: string): string {
  const sorted = done.toSorted((a, b) => b.error - a.error);
  const median = sorted[Math.floor(sorted.length / 2)]?.error ?? 0;
  const worst = sorted.slice(0, WORST).map(({ target, error }) => `${describeNode(target.node)} ${percent(error)}`);
  return `${what}: median ${percent(median)}, largest ${listNames(worst, WORST)}.`;
}
