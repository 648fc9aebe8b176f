/** What metrics of text have in common: an answer and its references as sequences, a few numbers kept of each row. */
import { labelsOf, outputOf } from './read.ts';
import { sequencesOf, type Words } from './sequences.ts';
import type { Metric, MetricContext } from '../metric.ts';

/** The options of such a metric in a config. */
interface TextSpec {
  readonly output?: string | undefined;
  readonly pad?: number | undefined;
}

/** @param measured what is kept of a row @param split cuts text into words */
export function textMetric(
  name: string,
  spec: TextSpec,
  context: MetricContext,
  how: {
    readonly split: (text: string) => Words;
    readonly measured: (answer: Words, references: readonly Words[]) => ArrayLike<number>;
    readonly figure: Metric['figure'];
  },
): Metric {
  const output = spec.output ?? context.output;
  const options = { split: how.split, pad: spec.pad };
  return {
    name,
    unit: 'share',
    better: 'higher',
    needsLabels: true,
    isProportion: false,
    byClass: false,
    resamples: true,
    figure: how.figure,
    reader: () => (call, keep) => {
      const given = sequencesOf(name, `output "${output}"`, outputOf(name, call, output), call.rows, options);
      const wanted = sequencesOf(name, 'the label', labelsOf(name, call), call.rows, options);
      for (let row = 0; row < call.rows; row++) keep(how.measured(given[row]?.[0] ?? [], wanted[row] ?? []));
    },
  };
}
