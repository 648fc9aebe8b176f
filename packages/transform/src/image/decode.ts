/**
 * The bytes of an image file to pixels, as Pillow gives them: upright (EXIF orientation), without alpha, without colour profile, the
 * first frame of an animation. Networks are trained on what Pillow gives, so where formats leave a choice it is Pillow's.
 *
 * The file comes from a stranger: only the decoders of the formats below can be reached at all, the size is read from the header and
 * checked before any pixel is decoded, and a file that ends early is refused.
 */
import type { Sharp, SharpOptions } from 'sharp';
import { decodeBmp, isBmp, tooLarge } from './bmp.ts';
import { ImageProblem, type Pixels } from './pixels.ts';

type Color = 'rgb' | 'bgr' | 'gray';

const LOADERS = ['VipsForeignLoadJpegBuffer', 'VipsForeignLoadPngBuffer', 'VipsForeignLoadWebpBuffer'];
const FORMATS = ['jpeg', 'png', 'webp'];

export interface ImageDecoder {
  /** @throws ImageProblem */
  decode(bytes: Uint8Array, color: Color, maxPixels: number): Promise<Pixels>;
}

/** Loads the native library, which a process that decodes nothing does without. @throws when it is not installed */
export async function openImageDecoder(): Promise<ImageDecoder> {
  const { default: sharp } = await import('sharp');
  // One image at a time in a thread of ours; nothing is kept between them.
  sharp.concurrency(1);
  sharp.cache(false);
  sharp.block({ operation: ['VipsForeignLoad'] });
  sharp.unblock({ operation: LOADERS });
  return {
    async decode(bytes, color, maxPixels) {
      const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      if (file.length === 0) throw new ImageProblem('the image is empty');
      const open = (options: SharpOptions): Sharp => sharp(file, { pages: 1, limitInputPixels: maxPixels, ...options });
      return inColor(isBmp(file) ? decodeBmp(file, maxPixels) : await decodeWith(file, open, maxPixels), color);
    },
  };
}

async function decodeWith(file: Buffer, open: (options: SharpOptions) => Sharp, maxPixels: number): Promise<Pixels> {
  let header;
  try {
    header = await open({ limitInputPixels: false }).metadata();
  } catch (error) {
    throw isKnown(file) ? undecodable(error) : new ImageProblem('not a JPEG, PNG, WebP or BMP image');
  }
  const { format, width, height, space } = header;
  if (!FORMATS.includes(format)) throw new ImageProblem('not a JPEG, PNG, WebP or BMP image');
  if (width * height > maxPixels) throw tooLarge(width, height, maxPixels);
  const cmyk = space === 'cmyk';
  try {
    const pipeline = open({ failOn: 'truncated', autoOrient: true, ignoreIcc: true });
    const { data, info } = await (cmyk ? pipeline.pipelineColourspace('cmyk') : pipeline.removeAlpha())
      .toColourspace(cmyk ? 'cmyk' : 'srgb')
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true });
    const pixels = { height: info.height, width: info.width, channels: info.channels, data };
    return cmyk ? cmykToRgb(pixels) : pixels;
  } catch (error) {
    throw undecodable(error);
  }
}

/** By its first bytes. */
function isKnown(file: Buffer): boolean {
  const start = file.toString('latin1', 0, 12);
  return start.startsWith('\u00ff\u00d8') || start.startsWith('\u0089PNG') || /^RIFF....WEBP$/s.test(start);
}

function undecodable(error: unknown): ImageProblem {
  const [why = ''] = (error instanceof Error ? error.message : String(error)).split('\n');
  return new ImageProblem(`the image cannot be decoded: ${why.slice(0, 120)}`);
}

/** As Pillow does it, without a profile. */
function cmykToRgb({ height, width, channels, data }: Pixels): Pixels {
  const rgb = new Uint8Array(height * width * 3);
  for (let from = 0, to = 0; to < rgb.length; from += channels, to += 3) {
    const paper = 255 - (data[from + 3] ?? 0);
    for (let channel = 0; channel < 3; channel++) {
      const ink = (data[from + channel] ?? 0) * paper + 128;
      rgb[to + channel] = Math.max(0, paper - ((ink + (ink >> 8)) >> 8));
    }
  }
  return { height, width, channels: 3, data: rgb };
}

/** Gray is ITU-R 601-2 luma, in the fixed point of Pillow. */
function inColor({ height, width, channels, data }: Pixels, color: Color): Pixels {
  if (color === 'rgb' && channels === 3) return { height, width, channels, data };
  const count = height * width;
  const [red, green, blue] = channels >= 3 ? [0, 1, 2] : [0, 0, 0];
  const result = new Uint8Array(count * (color === 'gray' ? 1 : 3));
  const [first, last] = color === 'bgr' ? [blue, red] : [red, blue];
  for (let pixel = 0, from = 0; pixel < count; pixel++, from += channels) {
    if (color === 'gray') {
      const luma =
        (data[from + red] ?? 0) * 19595 + (data[from + green] ?? 0) * 38470 + (data[from + blue] ?? 0) * 7471;
      result[pixel] = (luma + 0x8000) >> 16;
    } else {
      result[pixel * 3] = data[from + first] ?? 0;
      result[pixel * 3 + 1] = data[from + green] ?? 0;
      result[pixel * 3 + 2] = data[from + last] ?? 0;
    }
  }
  return { height, width, channels: color === 'gray' ? 1 : 3, data: result };
}
