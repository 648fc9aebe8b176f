/**
 * A small CNN that reads handwritten digits, made smaller and faster where that is possible.
 *
 * Every candidate is measured on this machine: bytes, accuracy on images it was never calibrated with, latency. Expect int8 to be
 * the smallest and not the fastest: for a model of 26 KB the conversions cost more than the arithmetic saves.
 */
import { batching, defineConfig, optimize, prune, quantize, search } from 'slipway';

const images = './data/images.idx3-ubyte.gz';
const labels = './data/labels.idx1-ubyte.gz';

export default defineConfig({
  name: 'digits',
  source: './mnist.onnx',
  data: {
    // Calibration shows quantization which values occur. These rows are never measured on: the build refuses overlap.
    calibration: { inputs: images, rows: [0, 200] },
    evaluation: { inputs: images, labels, rows: [200, 2700] },
  },
  labels: ['zero', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine'],

  // The model was exported for one image at a time; `batching.dynamic()` frees axis 0, so that the server can batch requests.
  recipe: search({
    float32: [batching.dynamic(), optimize()],
    pruned: [batching.dynamic(), prune.magnitude({ rule: 'mean' })],
    'int8-static': [batching.dynamic(), quantize.static()],
    'int8-dynamic': [batching.dynamic(), quantize.dynamic()],
    'pruned+int8': [batching.dynamic(), prune.magnitude({ rule: 'ratio', ratio: 0.5 }), quantize.static()],
  }),

  // A candidate that breaks a gate cannot win, whatever else it is good at.
  gates: { drop: 0.01 },

  // `size` picks the smallest (compressed) of those that passed, `latency` the fastest. The report says what each would pick.
  objective: 'size',

  serve: { maxBatchSize: 32, latencyBudgetMs: 5 },
});
