/** The closed schema of every transform: its name and its options. The words that write them are in `transforms.ts`. */
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

export const inputSchema = z.discriminatedUnion('transform', [
  tokenize,
  decodeImage,
  resize,
  crop,
  normalize,
  transpose,
]);
export const outputSchema = z.discriminatedUnion('transform', [
  softmax,
  sigmoid,
  l2Normalize,
  meanPool,
  classify,
  transpose,
]);

/** What a manifest carries, where paths of files are relative to the model directory. */
export const transformsSchema = z.strictObject({
  inputs: z.array(inputSchema).max(64).optional().describe('From what a client sends to the inputs of the model.'),
  outputs: z.array(outputSchema).max(64).optional().describe('From the outputs of the model to the answer.'),
});
