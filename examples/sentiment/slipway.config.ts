/**
 * A small encoder that says whether a sentence about a film is kind or not. The transforms belong to the release: whoever serves it
 * takes text and answers with a label, and the evaluation below reads text through the same code.
 */
import { defineConfig, optimize, quantize, search, transform } from 'slipway';

export default defineConfig({
  name: 'sentiment',
  source: './sentiment.onnx',
  labels: ['negative', 'positive'],
  transforms: {
    inputs: [
      transform.tokenize({
        from: 'text',
        tokenizer: './tokenizer.json',
        ids: 'input_ids',
        mask: 'input_mask',
        types: 'segment_ids',
        maxLength: 128,
      }),
    ],
    outputs: [transform.softmax({ from: 'logits' }), transform.classify({ from: 'logits' })],
  },
  data: { evaluation: './data/reviews.csv' },

  recipe: search({ float32: [optimize()], 'int8-dynamic': [quantize.dynamic()] }),
  gates: { drop: 0.05 },
  objective: 'latency',
  serve: { maxBatchSize: 32, latencyBudgetMs: 20 },
});
