/** Parity after every pass, for people: the figures of a step, and what is worth a line of the terminal. */
import type { CandidateReport, Divergence, Parity, StepReport, TensorError } from '@slipway/core';
import { isNotable } from '../validate/notable.ts';
import { formatShare } from './format.ts';

/** `SQNR 41.2 dB, the same class on 100.00 %` */
function describeParity({ sqnrDb, argmaxAgreement }: Parity): string {
  const noise = sqnrDb === null ? 'identical outputs' : `SQNR ${sqnrDb.toFixed(1)} dB`;
  return argmaxAgreement === null || argmaxAgreement === 1
    ? noise
    : `${noise}, the same class on ${formatShare(argmaxAgreement)}`;
}

const GRADUAL_DB = 6;

/** `first diverges at node "conv4" (Conv): SQNR 45.1 dB before it, 3.0 dB after it` */
export function describeDivergence({ nodes, before, after }: Divergence): string {
  const [first = '', ...others] = nodes.map(({ name, operator }) => `"${name}" (${operator})`);
  const last = others.at(-1);
  const [where, it] =
    last === undefined
      ? [`node ${first}`, 'it']
      : [`one of ${nodes.length} nodes that the other model computes together, ${first} to ${last}`, 'them'];
  const start =
    before === null ? `nothing but inputs and constants before ${it}` : `${describeError(before)} before ${it}`;
  // One node that takes this little away is not the cause.
  const isGradual =
    before?.notFinite === null &&
    after.notFinite === null &&
    (before.sqnrDb ?? Infinity) - (after.sqnrDb ?? Infinity) < GRADUAL_DB;
  const lead = isGradual ? 'diverges little by little, as far as in the outputs by' : 'first diverges at';
  return `${lead} ${where}: ${start}, ${describeError(after)} after ${it}`;
}

function describeError({ sqnrDb, notFinite }: TensorError): string {
  if (notFinite !== null) return `${notFinite} values`;
  return sqnrDb === null ? 'no difference' : `SQNR ${sqnrDb.toFixed(1)} dB`;
}

/** What a step came to; `null` parity has its reason. */
export function describeStep({ parity, divergence, note }: StepReport): string {
  return [
    ...(parity === null ? [] : [`${describeParity(parity)} on ${parity.rows} rows`]),
    ...(divergence === null ? [] : [describeDivergence(divergence)]),
    ...(note === null ? [] : [note]),
  ].join('; ');
}

/** Of steps that change the outputs much. The page and the JSON have all. */
export function stepNotes({ steps }: Pick<CandidateReport, 'steps'>): string[] {
  return steps.flatMap((step) =>
    step.parity !== null && isNotable(step.parity) ? [`after ${step.pass}: ${describeStep(step)}`] : [],
  );
}
