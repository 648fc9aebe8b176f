/**
 * When a model is good enough: its outputs are close to those of the source on the same rows, or a metric of them is not much
 * worse. The answers of the source are computed once and kept.
 */
import { columnRows, type Dataset, fail, hasCode, type PassName, type PassOptions, type Tensors } from '@slipway/core';
import { type Model, signatureOf } from '@slipway/onnx';
import type { PassContext } from '../../pass.ts';
import { createMetric } from '../../validate/metrics/index.ts';
import { unitWeights } from '../../validate/metric.ts';
import { keeper } from '../../validate/kept.ts';
import { parityMeter } from '../../validate/parity.ts';
import { run } from '../calibrate/collect.ts';
import { calibrationRows, walk } from '../calibrate/rows.ts';

interface Judgement {
  readonly isGood: boolean;
  /** `41.2 dB`, `accuracy 0.912`, `an output is NaN`. */
  readonly text: string;
}

export interface Criterion {
  readonly rows: number;
  /** What is asked for: `at least 50 dB`. */
  readonly asked: string;
  judge(model: Model): Promise<Judgement>;
}

interface Call {
  readonly inputs: Tensors;
  readonly outputs: Tensors;
  readonly from: number;
  readonly to: number;
}

const DEFAULT_SQNR_DB = 50;
const DEFAULT_ROWS = 64;

/** @throws PASS_NOT_APPLICABLE without usable rows, or without labels where the metric needs them */
export async function createCriterion(
  source: Model,
  options: PassOptions<'precision.mixed'>,
  context: PassContext,
): Promise<Criterion> {
  const pass: PassName = 'precision.mixed';
  const data = calibrationRows(pass, context);
  const limit = options.rows ?? DEFAULT_ROWS;
  const answers = async function* (model: Model, name: string): AsyncGenerator<Call> {
    const steps = walk(data, undefined, limit);
    for await (const outputs of run(model, steps, context, name)) {
      const { from, to } = steps.current;
      yield { inputs: rowsBetween(data, from, to), outputs, from, to };
    }
  };
  const expected: Call[] = [];
  for await (const call of answers(source, 'reference')) expected.push(call);
  const count = expected.reduce((sum, { from, to }) => sum + to - from, 0);
  const shared = { rows: count };

  if (options.metric === undefined) {
    const least = options.sqnrDb ?? DEFAULT_SQNR_DB;
    return {
      ...shared,
      asked: `at least ${least} dB`,
      async judge(model) {
        const meter = parityMeter('the candidate', null);
        for await (const call of paired(expected, answers(model, 'trial'))) {
          const broken = attempt(() => meter.add(call.source, call.outputs, call.to - call.from));
          if (broken !== null) return { isGood: false, text: broken };
        }
        const { sqnrDb } = meter.result();
        return {
          isGood: sqnrDb === null || sqnrDb >= least,
          text: sqnrDb === null ? 'equal' : `${sqnrDb.toFixed(1)} dB`,
        };
      },
    };
  }

  const [output] = signatureOf(source).outputs;
  const metric = createMetric({ metric: options.metric }, { output: output?.name ?? '', names: null });
  const { labels } = data;
  if (metric.needsLabels && labels === null) {
    const problem = `the metric "${metric.name}" needs labels in the calibration data; without them leave it out, and outputs are compared with the source`;
    throw fail('PASS_NOT_APPLICABLE', { pass, problem });
  }
  const figureOf = async (calls: AsyncIterable<Call & { readonly source: Tensors }>): Promise<number> => {
    let read: ReturnType<typeof metric.reader> | null = null;
    const kept = keeper();
    for await (const { inputs, outputs, source: answered, from, to } of calls) {
      const own = labels === null ? null : columnRows(labels, from, to);
      const call = { inputs, outputs, source: answered, labels: own, rows: to - from, firstRow: from };
      read ??= metric.reader(call);
      await read(call, (row) => kept.add(row));
    }
    return metric.figure(kept.finish())(unitWeights(count));
  };
  const before = await figureOf(paired(expected, each(expected)));
  const drop = options.drop ?? 0;
  return {
    ...shared,
    asked: `${metric.name} at most ${drop} worse than ${before.toPrecision(4)}`,
    async judge(model) {
      const now = await figureOf(paired(expected, answers(model, 'trial')));
      const lost = metric.better === 'higher' ? before - now : now - before;
      // Sums in another order: a drop of 0 is not to fail on the last bit.
      return { isGood: lost <= drop + 1e-9, text: `${metric.name} ${now.toPrecision(4)}` };
    },
  };
}

const rowsBetween = ({ inputs }: Dataset, from: number, to: number): Tensors =>
  Object.fromEntries(Object.entries(inputs).map(([name, value]) => [name, columnRows(value, from, to)]));

// eslint-disable-next-line @typescript-eslint/require-await -- an array where an iteration of calls is expected
async function* each(calls: readonly Call[]): AsyncGenerator<Call> {
  yield* calls;
}

/** The calls of a model with what the source answered to them. */
async function* paired(
  expected: readonly Call[],
  calls: AsyncIterable<Call>,
): AsyncGenerator<Call & { readonly source: Tensors }> {
  let next = 0;
  for await (const call of calls) yield { ...call, source: expected[next++]?.outputs ?? {} };
}

/** What was wrong with the answers of a candidate, or null. */
function attempt(compare: () => void): string | null {
  try {
    compare();
    return null;
  } catch (error) {
    if (!hasCode(error, 'INFERENCE_FAILED')) throw error;
    return 'an output is not finite';
  }
}
