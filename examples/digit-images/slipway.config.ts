/**
 * The network of `examples/digits`, for clients that have image files: what they post is decoded, made gray, brought to 28 × 28 and
 * handed over as the model wants it, and the answer is the name of a digit.
 */
import { batching, defineConfig, transform } from 'slipway';

export default defineConfig({
  name: 'digit-images',
  source: '../digits/mnist.onnx',
  labels: ['zero', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine'],
  transforms: {
    inputs: [
      transform.decodeImage({ from: 'image', to: 'Input3', color: 'gray' }),
      transform.resize({ from: 'Input3', size: [28, 28] }),
      // Pixels stay 0 to 255, as in training; height, width, channel becomes channel, height, width.
      transform.normalize({ from: 'Input3' }),
      transform.transpose({ from: 'Input3', order: [2, 0, 1] }),
    ],
    outputs: [
      transform.softmax({ from: 'Plus214_Output_0' }),
      transform.classify({ from: 'Plus214_Output_0', top: 3 }),
    ],
  },
  // Rows that fit the model are taken as they are.
  data: {
    evaluation: { inputs: '../digits/data/images.idx3-ubyte.gz', labels: '../digits/data/labels.idx1-ubyte.gz' },
  },
  recipe: [batching.dynamic()],
});
