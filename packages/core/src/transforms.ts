/**
 * Transforms: what happens to a request before the tensors of a model, and to the tensors of a model before the answer. As
 * plain data they travel in the manifest, so that whoever serves a release does to its inputs what was done when it
 * was trained. `transforms/schema.ts` gives each its options; `transforms/trace.ts` works out what goes in and out.
 *
 * Values have names. A step reads the value `from` and writes the value `to` (the same name where it is left out). Before the
 * first input step the values are what the client sent; after the last one they are the inputs of the model. Output
 * steps begin with the outputs of the model and end with the answer. What a step reads is gone afterwards, unless it
 * writes it again.
 *
 * Everything is said per row: shapes and axes never count the batch axis.
 */
import type { z } from 'zod';
import type { inputSchema, outputSchema, transformsSchema } from './transforms/schema.ts';

export type InputTransform = z.infer<typeof inputSchema>;
export type OutputTransform = z.infer<typeof outputSchema>;
export type Transforms = z.infer<typeof transformsSchema>;

type Step<K extends string> = Extract<InputTransform | OutputTransform, { transform: K }>;
type Options<K extends string> = Omit<Step<K>, 'transform'>;

/** Steps of `transforms.inputs` and `transforms.outputs`; `transpose` is one of both. */
export const transform = {
  /** Text to token ids, with the attention mask and segment ids where the model has inputs for them. */
  tokenize: (options: Options<'tokenize'>): Step<'tokenize'> => ({ transform: 'tokenize', ...options }),
  /** The bytes of an image file to pixels: uint8 [height, width, channels]. */
  decodeImage: (options: Options<'decodeImage'>): Step<'decodeImage'> => ({
    transform: 'decodeImage',
    ...options,
  }),
  /** Pixels to another size. */
  resize: (options: Options<'resize'>): Step<'resize'> => ({ transform: 'resize', ...options }),
  /** The centre of an image. */
  crop: (options: Options<'crop'>): Step<'crop'> => ({ transform: 'crop', ...options }),
  /** (x · scale − mean) / std, in float32. */
  normalize: (options: Options<'normalize'>): Step<'normalize'> => ({
    transform: 'normalize',
    ...options,
  }),
  /** Axes of a row in another order. */
  transpose: (options: Options<'transpose'>): Step<'transpose'> => ({
    transform: 'transpose',
    ...options,
  }),
  /** Scores to probabilities, along the last axis. */
  softmax: (options: Options<'softmax'>): Step<'softmax'> => ({ transform: 'softmax', ...options }),
  /** Each score to a probability. */
  sigmoid: (options: Options<'sigmoid'>): Step<'sigmoid'> => ({ transform: 'sigmoid', ...options }),
  /** Vectors to length one, along the last axis. */
  l2Normalize: (options: Options<'l2Normalize'>): Step<'l2Normalize'> => ({
    transform: 'l2Normalize',
    ...options,
  }),
  /** Vectors of tokens to their mean. */
  meanPool: (options: Options<'meanPool'>): Step<'meanPool'> => ({ transform: 'meanPool', ...options }),
  /** Scores to the best classes. */
  classify: (options: Options<'classify'>): Step<'classify'> => ({ transform: 'classify', ...options }),
} as const;
