/** Bounds that every candidate must satisfy: the key `gates` of the config. */
import { z } from 'zod';

/** No Node.js process with an engine in it takes less. */
const LEAST_RSS_BYTES = 20_000_000;

const metricBound = z.number().optional().describe('Worst value.');
const dropBound = z.number().min(0).optional().describe('Largest loss against the source.');
const EVIDENCE = ['estimate', 'shown', 'confident'] as const;
/** What a bound on a metric is held against: the estimate itself, or one end of its interval. */
export type Evidence = (typeof EVIDENCE)[number];
const evidence = z
  .enum(EVIDENCE)
  .optional()
  .describe(
    'When a bound on a metric is broken: when the estimate is beyond it (the default), only when that is shown (the whole 95 % interval is beyond it), or unless the opposite is shown (confident: the whole interval is within).',
  );

export const gatesSchema = z
  .strictObject({
    metric: z
      .number()
      .optional()
      .describe('Worst value of the primary metric: the smallest, or the largest where less is better.'),
    drop: z
      .number()
      .min(0)
      .optional()
      .describe(
        'Largest loss of the primary metric against the source, in its own unit (0.01 of accuracy is one point).',
      ),
    metrics: z
      .record(z.string(), z.strictObject({ metric: metricBound, drop: dropBound }))
      .optional()
      .describe('The same for other metrics, by name.'),
    slices: z
      .strictObject({
        metric: metricBound,
        drop: dropBound,
        rows: z.int().min(1).optional().describe('Slices of fewer rows are not judged. Default 30.'),
        evidence: z.enum(EVIDENCE).optional().describe('As `gates.evidence`, for slices. Default: the same.'),
      })
      .optional()
      .describe('Bounds on the primary metric in every slice (class, group).'),
    evidence,
    p50Ms: z.number().positive().optional().describe('Largest median latency, milliseconds.'),
    p99Ms: z.number().positive().optional().describe('Largest 99th percentile of latency, milliseconds.'),
    slowdown: z
      .number()
      .positive()
      .optional()
      .describe('Largest ratio of p50 to the p50 of the source (1.1 allows 10 % slower).'),
    bytes: z.int().positive().optional().describe('Largest size on disk, bytes.'),
    compressedBytes: z.int().positive().optional().describe('Largest size compressed with zstd, bytes.'),
    peakRssBytes: z.int().positive().optional().describe('Largest peak resident memory of the runner, bytes.'),
    sqnrDb: z
      .number()
      .optional()
      .describe('Smallest signal-to-quantization-noise ratio of the outputs against the source, dB.'),
    cosine: z.number().max(1).optional().describe('Smallest cosine similarity of the outputs to those of the source.'),
    argmaxAgreement: z
      .number()
      .min(0)
      .max(1)
      .optional()
      .describe('Smallest share of rows on which the predicted class is that of the source.'),
  })
  .superRefine((gates, context) => {
    // Bounds that no measurement can meet, or that another bound makes pointless, are mistakes that cost a whole build to find.
    const problem = (gate: keyof typeof gates, message: string): void =>
      context.addIssue({ code: 'custom', path: [gate], message });
    if (gates.p50Ms !== undefined && gates.p99Ms !== undefined && gates.p50Ms > gates.p99Ms) {
      problem(
        'p50Ms',
        `is ${gates.p50Ms}, but p99Ms is ${gates.p99Ms}: no p50 is above its p99, so this bound says nothing`,
      );
    }
    const { slices } = gates;
    if (slices !== undefined && slices.metric === undefined && slices.drop === undefined) {
      problem('slices', 'needs a bound: metric, drop or both');
    }
    if (gates.peakRssBytes !== undefined && gates.peakRssBytes < LEAST_RSS_BYTES) {
      problem(
        'peakRssBytes',
        `is ${gates.peakRssBytes}: a runner takes more than ${LEAST_RSS_BYTES} bytes before any model is loaded`,
      );
    }
  });

export type Gates = z.infer<typeof gatesSchema>;
/** The gates that are one number. */
export type NumericGate = Exclude<keyof Gates, 'metrics' | 'slices' | 'evidence'>;
