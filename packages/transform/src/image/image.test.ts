/** Decoding and resizing against Pillow (see golden/make.py): the same bytes, but where the test says otherwise. */
import { crc32 } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { golden } from '../testing/golden.ts';
import { decodeBmp } from './bmp.ts';
import { openImageDecoder } from './decode.ts';
import { crop, type Fit, resize, roundHalfEven } from './geometry.ts';
import type { Pixels } from './pixels.ts';
import type { Filter } from './resample.ts';

interface GoldenPixels {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly data: string;
}

const images = golden('images') as {
  readonly decoded: readonly {
    readonly name: string;
    readonly file: string;
    readonly rgb: GoldenPixels;
    readonly gray: GoldenPixels;
  }[];
  readonly resized: readonly (GoldenPixels & {
    readonly filter: Filter;
    readonly fit: Fit;
    readonly size: [number, number] | number;
  })[];
  readonly sixteen: { readonly file: string; readonly gray: GoldenPixels };
};
const decoder = await openImageDecoder();
const MOST = 1_000_000;

const bytesOf = (base64: string): Buffer => Buffer.from(base64, 'base64');
const pixelsOf = ({ height, width, channels, data }: GoldenPixels): Pixels => ({
  height,
  width,
  channels,
  data: new Uint8Array(bytesOf(data)),
});
const plain = ({ height, width, channels, data }: Pixels): Pixels => ({
  height,
  width,
  channels,
  data: new Uint8Array(data),
});
const fileOf = (name: string): Buffer => bytesOf(images.decoded.find((one) => one.name === name)!.file);
const problemOf = (file: Uint8Array, most = MOST): Promise<string> =>
  decoder.decode(file, 'rgb', most).then(
    () => 'none',
    (error: unknown) => (error instanceof Error ? `${error.constructor.name}: ${error.message}` : 'no error'),
  );

describe('an image', () => {
  it.each(images.decoded.map((one) => [one.name, one] as const))(
    '%s is what Pillow makes of it',
    async (_, { file, rgb, gray }) => {
      expect(plain(await decoder.decode(bytesOf(file), 'rgb', MOST))).toEqual(pixelsOf(rgb));
      expect(plain(await decoder.decode(bytesOf(file), 'gray', MOST))).toEqual(pixelsOf(gray));
    },
  );

  it('of 16 bits keeps the upper 8', async () => {
    const { file, gray } = images.sixteen;
    expect(plain(await decoder.decode(bytesOf(file), 'gray', MOST))).toEqual(pixelsOf(gray));
  });

  it('comes in the order of channels that is asked for', async () => {
    const rgb = await decoder.decode(fileOf('RGB PNG'), 'rgb', MOST);
    const bgr = await decoder.decode(fileOf('RGB PNG'), 'bgr', MOST);
    expect([...bgr.data.subarray(0, 3)]).toEqual([...rgb.data.subarray(0, 3)].reverse());
  });

  it.each<[string, Uint8Array, string]>([
    ['nothing', new Uint8Array(), 'the image is empty'],
    ['text', Buffer.from('hello'), 'not a JPEG, PNG, WebP or BMP image'],
    [
      'an SVG',
      Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'),
      'not a JPEG, PNG, WebP or BMP',
    ],
    [
      'a GIF',
      Buffer.from('R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7', 'base64'),
      'not a JPEG, PNG, WebP or BMP',
    ],
    ['half a JPEG', fileOf('JPEG').subarray(0, fileOf('JPEG').length - 400), 'the image cannot be decoded'],
    ['half a PNG', fileOf('RGB PNG').subarray(0, 3000), 'the image cannot be decoded'],
    ['half a WebP', fileOf('lossless WebP').subarray(0, 2000), ''],
    ['half a BMP', fileOf('24-bit BMP').subarray(0, 3000), 'the BMP file is cut off'],
    ['the head of a BMP', Buffer.from('BM'), 'the BMP file is cut off'],
  ])('is refused when it is %s', async (_, file, problem) => {
    const told = await problemOf(file);
    expect(told).toContain('ImageProblem');
    expect(told).toContain(problem);
  });

  it('is refused by its header when it is too large, before a pixel is decoded', async () => {
    const png = Buffer.from(fileOf('RGB PNG'));
    png.writeUInt32BE(30_000, 16);
    png.writeUInt32BE(30_000, 20);
    // The checksum of the header, which a decoder verifies.
    png.writeUInt32BE(crc32(png.subarray(12, 29)), 29);
    expect(await problemOf(png)).toContain('the image has 30000 × 30000 pixels, more than 1000000 altogether');
    const bmp = Buffer.from(fileOf('24-bit BMP'));
    bmp.writeInt32LE(30_000, 18);
    bmp.writeInt32LE(-30_000, 22);
    expect(await problemOf(bmp)).toContain('30000 × 30000 pixels');
    expect(await problemOf(fileOf('JPEG'), 1960)).toContain('53 × 37 pixels, more than 1960');
  });

  it('never ends the process, whatever bytes are changed', async () => {
    let state = 7;
    const random = (below: number): number => {
      state = (state * 48271) % 2147483647;
      return state % below;
    };
    for (const name of ['RGB PNG', 'JPEG', 'lossy WebP', '24-bit BMP', 'BMP with a palette']) {
      for (let round = 0; round < 25; round++) {
        const file = Buffer.from(fileOf(name));
        for (let i = 0; i <= random(8); i++) file[random(file.length)] = random(256);
        const decoded = await decoder.decode(file, 'rgb', MOST).catch((error: unknown) => error);
        if (decoded instanceof Error) expect(decoded.constructor.name).toBe('ImageProblem');
        else expect((decoded as Pixels).data.length).toBe((decoded as Pixels).height * (decoded as Pixels).width * 3);
      }
    }
  });
});

describe('BMP', () => {
  it('reads bit fields and rows from the top', () => {
    const header = Buffer.alloc(14 + 40 + 12);
    header.write('BM');
    header.writeUInt32LE(header.length, 10);
    header.writeUInt32LE(40, 14);
    header.writeInt32LE(2, 18);
    header.writeInt32LE(-1, 22);
    header.writeUInt16LE(16, 28);
    header.writeUInt32LE(3, 30);
    [0xf800, 0x07e0, 0x001f].forEach((mask, i) => header.writeUInt32LE(mask, 54 + 4 * i));
    const row = Buffer.alloc(4);
    row.writeUInt16LE(0xf800, 0);
    row.writeUInt16LE(0x07e0 | 0x000f, 2);
    expect([...decodeBmp(Buffer.concat([header, row]), 10).data]).toEqual([255, 0, 0, 0, 255, 123]);
    header.writeUInt32LE(1, 30);
    expect(() => decodeBmp(Buffer.concat([header, row]), 10)).toThrow('compressed BMP images are not supported');
  });
});

describe('resizing', () => {
  const source = pixelsOf(images.decoded.find(({ name }) => name === 'RGB PNG')!.rgb);

  it.each(images.resized.map((one) => [`${one.filter} ${one.fit} ${String(one.size)}`, one] as const))(
    '%s is Pillow’s',
    (_, one) => {
      expect(plain(resize(source, one.size, one.fit, one.filter, MOST))).toEqual(pixelsOf(one));
    },
  );

  it('takes one pixel, and does not make a strip of endless length', () => {
    const one: Pixels = { height: 1, width: 1, channels: 1, data: Uint8Array.of(9) };
    expect(new Set(resize(one, [5, 7], 'stretch', 'lanczos', MOST).data)).toEqual(new Set([9]));
    const strip: Pixels = { height: 1, width: 60_000, channels: 1, data: new Uint8Array(60_000) };
    expect(() => resize(strip, 224, 'stretch', 'bilinear', MOST)).toThrow('too narrow to be resized');
    expect(() => resize(strip, [224, 224], 'cover', 'bilinear', MOST)).toThrow('too narrow to be resized');
  });

  it('cuts the centre, and only out of what is there', () => {
    const image: Pixels = { height: 3, width: 4, channels: 1, data: Uint8Array.from({ length: 12 }, (_, i) => i) };
    expect([...crop(image, [1, 2]).data]).toEqual([5, 6]);
    expect(() => crop(image, [4, 4])).toThrow('the image is 4 × 3 pixels, smaller than the 4 × 4 to be cut out of it');
    expect([0.5, 1.5, 2.5, -1.5, 1.4].map(roundHalfEven)).toEqual([0, 2, 2, -2, 1]);
  });
});
