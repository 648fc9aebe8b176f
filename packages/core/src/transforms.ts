/**
 * Transforms: what happens to a request before the tensors of a model, and to the tensors of a model before the answer. As
 * plain data they travel in the manifest, so that whoever serves a release does to its inputs what was done when it
 * was trained. This file gives each its options; `transforms/trace.ts` works out what goes in and out.
 *
 * Values have names. A step reads the value `from` and writes the value `to` (the same name where it is left out). Before the
 * first input step the values are what the client sent; after the last one they are the inputs of the model. Output
 * steps begin with the outputs of the model and end with the answer. What a step reads is gone afterwards, unless it
 * writes it again.
 *
 * Everything is said per row: shapes and axes never count the batch axis.
 */
import { z } from 'zod';

const name = z.string().min(1);
const filePath = z.string().min(1);
const size = z.tuple([z.int().positive(), z.int().positive()]).describe('[height, width] in pixels.');
const perChannel = z.union([z.number(), z.array(z.number()).min(1)]);
const from = name.describe('The value to read.');
const to = name.optional().describe('The value to write. Default: the one that is read.');

const tokenize = z.strictObject({
  transform: z.literal('tokenize'),
  from: from.describe('The text to read.'),
  tokenizer: filePath.describe('A `tokenizer.json`, or a WordPiece `vocab.txt`.'),
  ids: name.describe('The model input that takes the token ids.'),
  mask: name.optional().describe('The model input that takes 1 for a token and 0 for padding.'),
  types: name.optional().describe('The model input that takes the segment of each token.'),
  maxLength: z.int().positive().optional().describe('Tokens beyond this are cut off. Default 512.'),
  padding: z
    .enum(['longest', 'max'])
    .optional()
    .describe('Pad to the longest text of the request (default), or always to `maxLength`.'),
});

const decodeImage = z.strictObject({
  transform: z.literal('decodeImage'),
  from: from.describe('The encoded image to read: JPEG, PNG, WebP or BMP.'),
  to,
  color: z.enum(['rgb', 'bgr', 'gray']).optional().describe('Order of the channels. Default rgb.'),
});

const resize = z.strictObject({
  transform: z.literal('resize'),
  from,
  to,
  size: z.union([size, z.int().positive()]).describe('[height, width], or the length of the shorter side.'),
  fit: z
    .enum(['stretch', 'cover', 'contain'])
    .optional()
    .describe('`stretch` ignores the aspect ratio (default), `cover` cuts what is too much, `contain` pads with 0.'),
  filter: z.enum(['nearest', 'bilinear', 'bicubic', 'lanczos']).optional().describe('Default bilinear.'),
});

const crop = z.strictObject({
  transform: z.literal('crop'),
  from,
  to,
  size: size.describe('[height, width] to keep, from the centre.'),
});

const normalize = z.strictObject({
  transform: z.literal('normalize'),
  from,
  to,
  scale: z.number().optional().describe('Factor on every element, applied first: 1/255 for pixels. Default 1.'),
  mean: perChannel.optional().describe('Subtracted, after `scale`: one number, or one per channel. Default 0.'),
  std: perChannel.optional().describe('Divided by, last: one number, or one per channel. Default 1.'),
  axis: z.int().optional().describe('The channel axis of one row; negative counts from the end. Default −1.'),
  dtype: z
    .enum(['uint8', 'int8', 'int32', 'int64', 'float32'])
    .optional()
    .describe('What comes in, when it does not come from an image step. Default float32.'),
});

const transpose = z.strictObject({
  transform: z.literal('transpose'),
  from,
  to,
  order: z.array(z.int().min(0)).min(1).max(8).describe('Axes of one row in their new order: [2, 0, 1] is HWC to CHW.'),
});

const softmax = z.strictObject({ transform: z.literal('softmax'), from, to });
const sigmoid = z.strictObject({ transform: z.literal('sigmoid'), from, to });
const l2Normalize = z.strictObject({ transform: z.literal('l2Normalize'), from, to });

const meanPool = z.strictObject({
  transform: z.literal('meanPool'),
  from: from.describe('Vectors of tokens: [tokens, width].'),
  to,
  mask: name.optional().describe('The model input that says which tokens count. Default: all.'),
});

const classify = z.strictObject({
  transform: z.literal('classify'),
  from: from.describe('One score per class.'),
  top: z.int().positive().optional().describe('How many classes to give, the best first. Default 1.'),
  label: name
    .optional()
    .describe('The value that receives the class: its name where the config has `labels`. Default "label".'),
  score: name.optional().describe('The value that receives its score. Default "score".'),
});

const inputSchema = z.discriminatedUnion('transform', [tokenize, decodeImage, resize, crop, normalize, transpose]);
const outputSchema = z.discriminatedUnion('transform', [softmax, sigmoid, l2Normalize, meanPool, classify, transpose]);

/** What a manifest carries, where paths of files are relative to the model directory. */
export const transformsSchema = z.strictObject({
  inputs: z.array(inputSchema).max(64).optional().describe('From what a client sends to the inputs of the model.'),
  outputs: z.array(outputSchema).max(64).optional().describe('From the outputs of the model to the answer.'),
});

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
