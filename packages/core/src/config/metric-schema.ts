/**
 * What can be measured on the evaluation rows, as plain data: the kinds of metrics and their options. `prepare` gives each its
 * meaning; here each gets its options, so that a config can be checked without loading anything heavy.
 *
 * A metric is written by its name (`'accuracy'`) or with options (`{ metric: 'top-k', k: 5 }`); `custom` makes one of a function.
 */
import { z } from 'zod';
import type { Tensor, Tensors } from '../tensor.ts';

const metricName = z.string().regex(/^[a-z0-9][a-z0-9._-]*$/);
const name = metricName.optional().describe('Its name in the report and in gates. Default: made of the options.');
const output = z.string().optional().describe('The model output it reads. Default: `data.output`.');
const threshold = z
  .number()
  .optional()
  .describe('Where the output is one score per row: at or above it the row is positive. Default 0.5.');
const ignore = (fallback: number) =>
  z.int().optional().describe(`The label that stands for "no answer here". Default ${fallback}.`);
const scores = z
  .enum(['logits', 'probabilities'])
  .optional()
  .describe('What the output holds. Default: probabilities when the first rows of the source sum to one, else logits.');
const positive = z.int().min(0).optional().describe('The class that counts as positive. Default 1.');
const shift = z
  .boolean()
  .optional()
  .describe('The labels are the input tokens: position t predicts label t + 1, as in causal language models.');
const pad = z
  .int()
  .optional()
  .describe('The token that ends a sequence, where answers are token numbers. Default −100.');

const average = z
  .enum(['binary', 'macro', 'micro', 'weighted'])
  .optional()
  .describe('How classes combine, as in scikit-learn. Default macro.');
const classification = { name, output, average, positive, threshold };
const plain = { name, output };
const ranking = {
  name,
  output,
  positive,
  scores,
  average: z
    .enum(['macro', 'weighted'])
    .optional()
    .describe('With more than two classes, each against the rest: how classes combine. Default macro.'),
};
const text = { name, output, pad };

/** The function of a custom metric: one number for each row of the call. */
export type MetricFunction = (call: MetricCall) => ArrayLike<number>;

/** What a metric sees: the same rows of everything, rows along axis 0. */
export interface MetricCall {
  readonly inputs: Tensors;
  /** What the measured model answers. */
  readonly outputs: Tensors;
  /** What the source answers. */
  readonly source: Tensors;
  readonly labels: Tensor | null;
  /** How many rows this call holds, and which row of the evaluation data is its first. */
  readonly rows: number;
  readonly firstRow: number;
}

const functionOrFile = z.union([
  z.string().min(1),
  z.custom<MetricFunction>((value) => typeof value === 'function', 'must be a function or the path of a module'),
]);

export const metricSchema = z.discriminatedUnion('metric', [
  z.strictObject({ metric: z.literal('accuracy'), ...plain, threshold }).describe('Share of rows answered correctly.'),
  z
    .strictObject({
      metric: z.literal('top-k'),
      ...plain,
      k: z.int().min(1).describe('How many classes may be named.'),
    })
    .describe('Share of rows whose answer is among the k largest scores.'),
  z
    .strictObject({ metric: z.literal('precision'), ...classification })
    .describe('Of what was called a class, the share that is.'),
  z
    .strictObject({ metric: z.literal('recall'), ...classification })
    .describe('Of what is a class, the share that was called so.'),
  z.strictObject({ metric: z.literal('f1'), ...classification }).describe('Harmonic mean of precision and recall.'),
  z.strictObject({ metric: z.literal('roc-auc'), ...ranking }).describe('Area under the ROC curve.'),
  z
    .strictObject({ metric: z.literal('pr-auc'), ...ranking })
    .describe('Average precision: area under the precision-recall steps.'),
  z.strictObject({ metric: z.literal('mae'), ...plain }).describe('Mean absolute error.'),
  z.strictObject({ metric: z.literal('rmse'), ...plain }).describe('Root of the mean squared error.'),
  z.strictObject({ metric: z.literal('r2'), ...plain }).describe('Coefficient of determination.'),
  z
    .strictObject({ metric: z.literal('iou'), ...plain, ignore: ignore(255) })
    .describe('Mean intersection over union of the classes of every pixel.'),
  z
    .strictObject({
      metric: z.literal('map'),
      name,
      boxes: z.string().describe('The output of boxes: [rows, n, 4] as x1, y1, x2, y2.'),
      scores: z.string().describe('The output of their scores: [rows, n].'),
      classes: z.string().describe('The output of their classes: [rows, n]; below zero means no box.'),
      iou: z
        .number()
        .gt(0)
        .max(1)
        .optional()
        .describe('The overlap that counts as found. Default: the mean over 0.5, 0.55 … 0.95, as COCO has it.'),
    })
    .describe('Mean average precision of detections. Labels: [rows, n, 5] as class, x1, y1, x2, y2; class −1 pads.'),
  z
    .strictObject({ metric: z.literal('log-loss'), ...plain, scores, ignore: ignore(-100), shift })
    .describe('Mean negative log-likelihood of the labels, natural logarithm.'),
  z
    .strictObject({ metric: z.literal('perplexity'), ...plain, scores, ignore: ignore(-100), shift })
    .describe('Exponential of the mean negative log-likelihood per token.'),
  z.strictObject({ metric: z.literal('bleu'), ...text }).describe('BLEU of the whole corpus, 4-grams, 0 to 1.'),
  z.strictObject({ metric: z.literal('rouge-1'), ...text }).describe('ROUGE-1 F-measure, mean over rows.'),
  z.strictObject({ metric: z.literal('rouge-2'), ...text }).describe('ROUGE-2 F-measure, mean over rows.'),
  z.strictObject({ metric: z.literal('rouge-l'), ...text }).describe('ROUGE-L F-measure, mean over rows.'),
  z
    .strictObject({ metric: z.literal('cosine'), ...plain })
    .describe('Mean cosine of the output to the labels, row by row.'),
  z
    .strictObject({ metric: z.literal('agreement'), ...plain })
    .describe('Share of rows whose predicted class is that of the source. Needs no labels.'),
  z
    .strictObject({ metric: z.literal('source-cosine'), ...plain })
    .describe('Mean cosine of the output to that of the source, row by row. Needs no labels.'),
  z
    .strictObject({ metric: z.literal('sqnr'), ...plain })
    .describe('Signal-to-noise ratio of the output against the source, dB. Needs no labels.'),
  z
    .strictObject({ metric: z.literal('max-error'), ...plain })
    .describe('Largest absolute difference of the output from that of the source. Needs no labels.'),
  z
    .strictObject({
      metric: z.literal('custom'),
      name: metricName,
      function: functionOrFile.describe('A function, or a module whose default export is one: a number per row.'),
      better: z.enum(['higher', 'lower']).optional().describe('Which way is better. Default higher.'),
      labels: z.boolean().optional().describe('Whether it needs labels. Default true.'),
      version: z.int().optional().describe('Raise it when something the function depends on has changed.'),
    })
    .describe('The mean of your own figure per row.'),
]);

export type MetricSpec = z.infer<typeof metricSchema>;
export type MetricKind = MetricSpec['metric'];
