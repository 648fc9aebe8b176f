/**
 * `precision.float16`: weights are stored, and nodes compute, in half precision. Inputs and outputs stay float32 unless the
 * user says otherwise; nodes that have no float16 form, compute integers, or take values beyond its range on calibration rows
 * stay float32 with Casts around them.
 */
import { fail, type PassSpec } from '@slipway/core';
import { dropInitializerInputs, eliminateConstants, type Model, spillTo } from '@slipway/onnx';
import type { Pass } from '../../pass.ts';
import { plural } from '../describe.ts';
import { type Exclusion, exclusion, nodeExclusion } from '../exclude.ts';
import { assessing } from '../prepared.ts';
import { type Assignment, assign } from './assign.ts';
import { checkLoads, checkTypes } from './check.ts';
import { convert } from './convert.ts';
import { outOfRange } from './ranges.ts';
import { CPU_BUYS_SIZE, describeClamped, describeHigh, describeSize } from './notes.ts';

type Spec = Extract<PassSpec, { pass: 'precision.float16' }>;

const NOTHING: Exclusion = { has: () => false };

export const float16Pass: Pass<Spec> = {
  name: 'precision.float16',
  version: 4,

  assess: assessing((model) => {
    const { low } = assignable(model, NOTHING);
    return low.length === 0
      ? { applicable: false, targets: 0, summary: 'there is no float32 operator with a float16 form' }
      : {
          applicable: true,
          targets: low.length,
          summary: `can put ${plural(low.length, 'node')} into float16: half the size; no faster on a CPU`,
        };
  }),

  async apply(model, spec, context) {
    const { pass } = spec;
    const excluded = exclusion(pass, spec, model, context.source);
    const { start, low: able, high: unable, types } = assignable(model, excluded);
    const ranges =
      context.calibration === null || able.length === 0 ? null : await outOfRange(pass, start, types, able, context);
    const low = able.filter((node) => ranges?.high.has(node) !== true);
    if (low.length === 0) {
      throw fail('PASS_NOT_APPLICABLE', { pass, problem: 'there is no float32 operator with a float16 form left' });
    }
    context.signal.throwIfAborted();
    const chosen = new Set(low);
    const converted = convert(start, types, (node) => chosen.has(node), {
      keepIo: spec.keepIo ?? true,
      keep: spillTo(context.workDirectory),
    });
    checkTypes(pass, start, converted.model, converted.types);
    await checkLoads(pass, converted.model, context);
    const notes = [
      `${plural(low.length, 'node')} in float16 with ${plural(converted.casts, 'Cast')}; ${describeSize(model, converted.model)}.`,
      ...describeClamped(converted),
      ...describeHigh(new Map([...unable, ...(ranges?.high ?? [])])),
      ranges === null
        ? 'Without calibration rows nobody has looked whether values exceed the range of float16, ±65,504.'
        : `Ranges looked at on ${plural(ranges.rows, 'calibration row')}.`,
      CPU_BUYS_SIZE,
    ];
    return { model: converted.model, notes };
  },
};

/** The model as it is converted, and what in it can be. */
export function assignable(model: Model, excluded: Exclusion): Assignment & { readonly start: Model } {
  const start = eliminateConstants(dropInitializerInputs(model));
  const isExcluded = nodeExclusion(excluded, (name) => start.graph.initializers.has(name));
  return { start, ...assign(start, isExcluded) };
}
