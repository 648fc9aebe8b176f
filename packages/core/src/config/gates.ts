/** Bounds that every candidate must satisfy: the key `gates` of the config. */
import { z } from 'zod';

/** No Node.js process with an engine in it takes less. */
const LEAST_RSS_BYTES = 20_000_000;

export const gatesSchema = z
  .strictObject({
    accuracyDrop: z
      .number()
      .min(0)
      .max(1)
      .optional()
      .describe('Largest loss of accuracy against the source (0.01 is one percentage point).'),
    accuracy: z.number().min(0).max(1).optional().describe('Smallest accuracy.'),
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
    if (gates.peakRssBytes !== undefined && gates.peakRssBytes < LEAST_RSS_BYTES) {
      problem(
        'peakRssBytes',
        `is ${gates.peakRssBytes}: a runner takes more than ${LEAST_RSS_BYTES} bytes before any model is loaded`,
      );
    }
  });

export type Gates = z.infer<typeof gatesSchema>;
