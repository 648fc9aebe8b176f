/** Each input step as a function on one row. Made once per version; what it needs from disk is read then. */
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { fail, fromSystemError, type InputTransform, LIMITS, type SlipwayError, type Tensor } from '@slipway/core';
import type { ImageDecoder } from './image/decode.ts';
import { crop, resize } from './image/geometry.ts';
import { ImageProblem, type Pixels } from './image/pixels.ts';
import { normalize, transpose } from './numbers/rearrange.ts';
import { type Row, type RowStep, take, takeNumbers } from './row.ts';
import { TokenizerProblem } from './text/component.ts';
import type { TextEncoder } from './text/tokenizer.ts';

export interface Tools {
  /** Opened by the first step that needs it. */
  decoder(): Promise<ImageDecoder>;
  /** Where names of files are. */
  readonly directory: string;
}

export const DEFAULT_MAX_LENGTH = 512;

/** @throws TOKENIZER_INVALID, FILE_NOT_FOUND */
export async function inputStep(step: InputTransform, tools: Tools): Promise<RowStep> {
  switch (step.transform) {
    case 'tokenize':
      return tokenizeStep(step, await openTokenizer(path.resolve(tools.directory, step.tokenizer)));
    case 'decodeImage':
      return decodeStep(step, await tools.decoder());
    case 'resize': {
      const { size, fit = 'stretch', filter = 'bilinear' } = step;
      return onPixels(step, (pixels) => resize(pixels, size, fit, filter, LIMITS.maxImagePixels));
    }
    case 'crop':
      return onPixels(step, (pixels) => crop(pixels, step.size));
    case 'normalize':
      return (row, where) => {
        row.set(step.to ?? step.from, normalize(takeNumbers(row, step.from, where), step, where));
      };
    case 'transpose':
      return (row, where) => {
        row.set(step.to ?? step.from, transpose(takeNumbers(row, step.from, where), step.order));
      };
  }
}

/** @throws TOKENIZER_INVALID, FILE_NOT_FOUND, FILE_UNREADABLE */
export async function openTokenizer(file: string): Promise<TextEncoder> {
  try {
    if ((await stat(file)).size > LIMITS.maxTokenizerBytes) {
      throw new TokenizerProblem(`it has more than ${LIMITS.maxTokenizerBytes} bytes`);
    }
    const content = await readFile(file, 'utf8');
    // Loaded by who tokenizes: a server of other models does without the library.
    const { readTokenizer } = await import('./text/tokenizer.ts');
    return readTokenizer(content);
  } catch (error) {
    if (error instanceof TokenizerProblem) throw fail('TOKENIZER_INVALID', { path: file, problem: error.message });
    throw fromSystemError(error, file, 'reading the tokenizer');
  }
}

function tokenizeStep(step: Extract<InputTransform, { transform: 'tokenize' }>, encoder: TextEncoder): RowStep {
  const { maxLength = DEFAULT_MAX_LENGTH } = step;
  const invalid = (where: string, problem: string): SlipwayError => fail('TENSOR_INVALID', { where, problem });
  return (row, where) => {
    const text = take(row, step.from);
    if (typeof text !== 'string') throw invalid(where, 'the text is not UTF-8');
    const bytes = Buffer.byteLength(text);
    if (bytes > LIMITS.maxTextBytes) {
      throw invalid(where, `the text has ${bytes} bytes, more than ${LIMITS.maxTextBytes}`);
    }
    // Half of a character that was cut in two; a tokenizer would see something else than was meant.
    if (!text.isWellFormed()) throw invalid(where, 'the text has half a surrogate pair, which is no character');
    try {
      const encoded = encoder.encode(text, maxLength);
      for (const name of [step.ids, step.mask, step.types]) if (name !== undefined) row.set(name, encoded);
    } catch {
      // The recursion of a model on a word of 100 000 letters ends at the stack.
      throw invalid(where, 'the text cannot be tokenized: it has words that are too long');
    }
  };
}

function decodeStep(step: Extract<InputTransform, { transform: 'decodeImage' }>, decoder: ImageDecoder): RowStep {
  const { color = 'rgb' } = step;
  return async (row, where) => {
    const file = take(row, step.from);
    const isText = typeof file === 'string';
    const bytes = isText ? Buffer.from(file) : file instanceof Uint8Array ? file : null;
    if (bytes === null) throw fail('TENSOR_INVALID', { where, problem: 'this is no image file' });
    try {
      row.set(step.to ?? step.from, tensorOf(await decoder.decode(bytes, color, LIMITS.maxImagePixels)));
    } catch (error) {
      if (!(error instanceof ImageProblem)) throw error;
      const hint = isText && bytes.length > 0 ? '; JSON has images as {"b64": "…"}' : '';
      throw fail('TENSOR_INVALID', { where, problem: error.message + hint });
    }
  };
}

function onPixels(
  step: { readonly from: string; readonly to?: string | undefined },
  work: (pixels: Pixels) => Pixels,
): RowStep {
  return (row: Row, where) => {
    const { dtype, shape, data } = takeNumbers(row, step.from, where);
    const [height = 0, width = 0, channels = 0] = shape;
    if (dtype !== 'uint8' || shape.length !== 3 || height * width * channels === 0) {
      throw fail('TENSOR_INVALID', { where, problem: `these are no pixels: ${dtype}[${shape.join(', ')}]` });
    }
    try {
      row.set(step.to ?? step.from, tensorOf(work({ height, width, channels, data })));
    } catch (error) {
      if (error instanceof ImageProblem) throw fail('TENSOR_INVALID', { where, problem: error.message });
      throw error;
    }
  };
}

const tensorOf = ({ height, width, channels, data }: Pixels): Tensor => ({
  dtype: 'uint8',
  shape: [height, width, channels],
  data,
});
