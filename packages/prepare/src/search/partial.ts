/**
 * A recipe with a partial pass becomes a plain one: the layers that hurt most are left out until the gates on the metric and on
 * parity hold, and no more than that.
 *
 * Layers are taken in the order of their sensitivity. How many it takes is found by doubling and bisection, which assumes that
 * leaving out more does not make it worse; then each layer is put back that can be, least sensitive first, because an order by
 * single layers does not know what layers do together. The result names the layers it leaves out, like any recipe.
 */
import { isPartial, type PassSpec, type RecipeStep, type SensitivityReport } from '@slipway/core';
import type { Bench } from './bench.ts';
import { measureSensitivity, type Selective } from './sensitivity.ts';
import { runTrial, type TrialRecord } from './trial.ts';

/** Layers that are tried to be put back, one trial each. */
const PUT_BACK = 8;

export interface Resolved {
  readonly passes: readonly PassSpec[];
  /** null when the whole pass holds the gates, or breaks one that leaving out layers cannot help. */
  readonly sensitivity: SensitivityReport | null;
}

export async function resolvePartial(name: string, steps: readonly RecipeStep[], bench: Bench): Promise<Resolved> {
  const at = steps.findIndex(isPartial);
  const step = steps[at];
  if (step === undefined || !isPartial(step)) return { passes: steps as readonly PassSpec[], sensitivity: null };
  const before = steps.slice(0, at) as readonly PassSpec[];
  const after = steps.slice(at + 1) as readonly PassSpec[];
  const spec: Selective = step.partial;
  const recipe = (left: readonly string[]): readonly PassSpec[] => [
    ...before,
    left.length === 0 ? spec : { ...spec, exclude: [...(spec.exclude ?? []), ...left] },
    ...after,
  ];
  const path: SensitivityReport['steps'][number][] = [];
  const attempt = async (left: readonly string[]): Promise<TrialRecord> => {
    const record = await runTrial(`${name}~${left.length}`, recipe(left), { timed: false }, bench);
    path.push({ leftOut: left.length, metric: record.metric, sqnrDb: record.sqnrDb, holds: record.violation === 0 });
    return record;
  };

  const whole = await attempt([]);
  // A pass that cannot be applied, and a bound on size: no exclusion helps.
  if (whole.violation === 0 || whole.failed || whole.end === 'size') return { passes: recipe([]), sensitivity: null };
  const measured = await measureSensitivity(before, spec, bench);
  const names = measured.layers.map((layer) => layer.name);
  const left = await leastLeftOut(names, Math.max(1, Math.floor(step.most * names.length)), attempt);
  const out = new Set(left);
  return {
    passes: recipe(left),
    sensitivity: {
      ...measured,
      layers: measured.layers.map((layer) => ({ ...layer, leftOut: out.has(layer.name) })),
      steps: path,
    },
  };
}

/** @returns as few of the first `most` names as hold the gates; the attempt that missed them by least when none does */
async function leastLeftOut(
  names: readonly string[],
  most: number,
  attempt: (left: readonly string[]) => Promise<TrialRecord>,
): Promise<readonly string[]> {
  let nearest: { readonly left: readonly string[]; readonly violation: number } = { left: [], violation: Infinity };
  const holds = async (left: readonly string[]): Promise<boolean> => {
    const record = await attempt(left);
    const violation = record.violation ?? Infinity;
    if (violation < nearest.violation) nearest = { left, violation };
    return violation === 0;
  };
  const limit = Math.min(most, names.length);
  let fails = 0;
  let enough: number | null = null;
  for (let count = 1; enough === null && fails < limit; count = Math.min(limit, 2 * count)) {
    if (await holds(names.slice(0, count))) enough = count;
    else fails = count;
  }
  if (enough === null) return nearest.left;
  while (enough - fails > 1) {
    const middle = Math.floor((enough + fails) / 2);
    if (await holds(names.slice(0, middle))) enough = middle;
    else fails = middle;
  }
  let left = names.slice(0, enough);
  // The last one is needed: without it the gates did not hold.
  for (const name of left.slice(0, -1).reverse().slice(0, PUT_BACK)) {
    const fewer = left.filter((other) => other !== name);
    if (await holds(fewer)) left = fewer;
  }
  return left;
}
