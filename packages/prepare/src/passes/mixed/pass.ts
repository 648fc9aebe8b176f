/**
 * `precision.mixed`: as much in float16 as the accuracy allows. Nodes are put into float16 by bisection over the order of the graph
 * (bisect.ts); every trial is a model in which chosen nodes compute in float16 to the letter, run on calibration rows and compared
 * with the source (criterion.ts). What fails on its own stays float32.
 *
 * Trials do not run the model that is returned: ONNX Runtime on a CPU computes float16 in float32 and would hide what
 * overflows elsewhere. So what is returned is at least as good here, and as good as measured where float16 is real.
 */
import { fail, type PassSpec } from '@slipway/core';
import { describeNode, type Initializer, type Node, spillTo } from '@slipway/onnx';
import type { Pass } from '../../pass.ts';
import { plural } from '../describe.ts';
import { exclusion } from '../exclude.ts';
import { checkLoads, checkTypes } from '../float16/check.ts';
import { convert, type Converted } from '../float16/convert.ts';
import type { Narrowed } from '../float16/narrow.ts';
import { CPU_BUYS_SIZE, describeClamped, describeHigh, describeSize } from '../float16/notes.ts';
import { assignable, float16Pass } from '../float16/pass.ts';
import { bisect } from './bisect.ts';
import { createCriterion } from './criterion.ts';

type Spec = Extract<PassSpec, { pass: 'precision.mixed' }>;

const DEFAULT_RUNS = 64;
/** Segments that notes name one by one. */
const NAMED_SEGMENTS = 8;

export const mixedPass: Pass<Spec> = {
  name: 'precision.mixed',
  version: 2,

  assess(model) {
    const { applicable, targets, summary } = float16Pass.assess(model);
    if (!applicable) return { applicable, targets, summary };
    return {
      applicable,
      targets,
      summary: `can put up to ${plural(targets, 'node')} into float16, as many as keep the accuracy; needs calibration data`,
    };
  },

  async apply(model, spec, context) {
    const { pass } = spec;
    const excluded = exclusion(pass, spec, model, context.source);
    const { start, low, high, types } = assignable(model, excluded);
    if (low.length === 0) {
      throw fail('PASS_NOT_APPLICABLE', { pass, problem: 'there is no float32 operator with a float16 form left' });
    }
    const criterion = await createCriterion(start, spec, context);
    const constants = new Map<Initializer, Narrowed>();
    const keep = spillTo(context.workDirectory);
    const made = (chosen: ReadonlySet<Node>, keepIo: boolean, explicit: boolean): Converted =>
      convert(start, types, (node) => chosen.has(node), { keepIo, explicit, constants, keep });

    const texts = new Map<ReadonlySet<Node>, string>();
    let last = '';
    const failed = new Map<Node, string>();
    const { accepted, rejected, undecided, trials } = await bisect(
      low,
      async (chosen) => {
        context.signal.throwIfAborted();
        const { isGood, text } = await criterion.judge(made(chosen, true, true).model);
        context.log.debug({ nodes: chosen.size, isGood, text }, 'mixed precision trial');
        if (isGood) texts.set(chosen, text);
        last = text;
        return isGood;
      },
      spec.maxRuns ?? DEFAULT_RUNS,
      (node) => failed.set(node, last),
    );
    if (accepted.size === 0) {
      const problem = `no part of the model can be float16 with ${criterion.asked} after ${plural(trials, 'model')}; allow more, or leave the pass out`;
      throw fail('PASS_NOT_APPLICABLE', { pass, problem });
    }

    const converted = made(accepted, spec.keepIo ?? true, false);
    checkTypes(pass, start, converted.model, converted.types);
    await checkLoads(pass, converted.model, context);
    const notes = [
      `${accepted.size} of ${plural(low.length, 'node')} in float16 with ${plural(converted.casts, 'Cast')}; ${describeSize(model, converted.model)}.`,
      `Computed in float16 to the letter on ${plural(criterion.rows, 'calibration row')}: ${texts.get(accepted) ?? ''}, with ${criterion.asked} asked for, after ${plural(trials, 'model')}.`,
      ...describeSegments(low, accepted, failed),
    ];
    if (undecided.length > 0) {
      notes.push(
        `Stays float32 because ${plural(trials, 'model')} were not enough to decide: ${plural(undecided.length, 'node')}; raise maxRuns.`,
      );
    }
    if (rejected.length === 0 && undecided.length === 0) notes.push('Nothing had to stay float32 for the accuracy.');
    return {
      model: converted.model,
      notes: [...notes, ...describeClamped(converted), ...describeHigh(high), CPU_BUYS_SIZE],
    };
  },
};

/** Neighbours that stayed float32, in the order of the graph, with what their first node did to the outputs. */
function describeSegments(
  order: readonly Node[],
  accepted: ReadonlySet<Node>,
  failed: ReadonlyMap<Node, string>,
): string[] {
  const segments: Node[][] = [];
  let open: Node[] | null = null;
  for (const node of order) {
    if (accepted.has(node) || !failed.has(node)) open = null;
    else if (open === null) segments.push((open = [node]));
    else open.push(node);
  }
  const named = segments.slice(0, NAMED_SEGMENTS).map((segment) => {
    const [first, last] = [segment[0], segment.at(-1)];
    if (first === undefined || last === undefined) return '';
    const where =
      first === last
        ? describeNode(first)
        : `${describeNode(first)} to ${describeNode(last)} (${segment.length} nodes)`;
    return `Stays float32: ${where}: with it in float16, ${failed.get(first) ?? ''}.`;
  });
  const more = segments.length - named.length;
  return more > 0 ? [...named, `… and ${plural(more, 'segment')} more.`] : named;
}
