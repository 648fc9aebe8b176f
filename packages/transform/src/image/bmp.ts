/**
 * BMP files, which the library for the other formats does not read: uncompressed, 1 to 32 bits a pixel, with a palette or bit fields,
 * bottom-up or top-down. Compressed ones (RLE) are refused; nobody writes them any more.
 *
 * Format: Microsoft, "Bitmap Storage"; BITMAPCOREHEADER, BITMAPINFOHEADER, BITMAPV4HEADER, BITMAPV5HEADER.
 */
import { ImageProblem, type Pixels } from './pixels.ts';

const FILE_HEADER = 14;
const CORE_HEADER = 12;
const INFO_HEADER = 40;
const UNCOMPRESSED = 0;
const BIT_FIELDS = 3;

export const isBmp = (bytes: Uint8Array): boolean => bytes[0] === 0x42 && bytes[1] === 0x4d;

interface Layout {
  readonly width: number;
  readonly height: number;
  readonly topDown: boolean;
  readonly bits: number;
  /** Of red, green and blue, for 16 and 32 bits a pixel. */
  readonly masks: readonly [number, number, number];
  readonly paletteAt: number;
  readonly paletteEntry: 3 | 4;
  readonly pixelsAt: number;
}

/** The channels are red, green and blue. @throws ImageProblem */
export function decodeBmp(bytes: Buffer, maxPixels: number): Pixels {
  const layout = readLayout(bytes);
  const { width, height, bits } = layout;
  if (width * height > maxPixels) throw tooLarge(width, height, maxPixels);
  const stride = Math.ceil((width * bits) / 32) * 4;
  if (layout.pixelsAt + stride * height > bytes.length) throw new ImageProblem('the BMP file is cut off');
  const data = new Uint8Array(width * height * 3);
  const put = bits <= 8 ? paletteRow(bytes, layout) : bits === 24 ? plainRow(bytes) : maskedRow(bytes, layout);
  for (let y = 0; y < height; y++) {
    const row = layout.topDown ? y : height - 1 - y;
    put(layout.pixelsAt + row * stride, data.subarray(y * width * 3, (y + 1) * width * 3));
  }
  return { height, width, channels: 3, data };
}

export const tooLarge = (width: number, height: number, maxPixels: number): ImageProblem =>
  new ImageProblem(`the image has ${width} × ${height} pixels, more than ${maxPixels} altogether`);

function readLayout(bytes: Buffer): Layout {
  if (bytes.length < FILE_HEADER + CORE_HEADER) throw new ImageProblem('the BMP file is cut off');
  const pixelsAt = bytes.readUInt32LE(10);
  const headerBytes = bytes.readUInt32LE(FILE_HEADER);
  const core = headerBytes === CORE_HEADER;
  if (!core && (headerBytes < INFO_HEADER || headerBytes > 1024)) throw new ImageProblem('the BMP header is not known');
  if (FILE_HEADER + headerBytes > bytes.length) throw new ImageProblem('the BMP file is cut off');
  const width = core ? bytes.readUInt16LE(18) : bytes.readInt32LE(18);
  const signedHeight = core ? bytes.readUInt16LE(20) : bytes.readInt32LE(22);
  const bits = bytes.readUInt16LE(core ? 24 : 28);
  const compression = core ? UNCOMPRESSED : bytes.readUInt32LE(30);
  if (width <= 0 || signedHeight === 0) throw new ImageProblem('the BMP image has no pixels');
  if (![1, 4, 8, 16, 24, 32].includes(bits)) throw new ImageProblem(`a BMP image of ${bits} bits a pixel is not known`);
  const fields = compression === BIT_FIELDS && (bits === 16 || bits === 32);
  if (compression !== UNCOMPRESSED && !fields) throw new ImageProblem('compressed BMP images are not supported');
  // In the first version of the header the masks follow it, later ones hold them.
  const masksAt = FILE_HEADER + INFO_HEADER;
  if (fields && masksAt + 12 > bytes.length) throw new ImageProblem('the BMP file is cut off');
  const standard = bits === 16 ? ([0x7c00, 0x3e0, 0x1f] as const) : ([0xff0000, 0xff00, 0xff] as const);
  const masks = fields
    ? ([bytes.readUInt32LE(masksAt), bytes.readUInt32LE(masksAt + 4), bytes.readUInt32LE(masksAt + 8)] as const)
    : standard;
  const afterHeader = FILE_HEADER + headerBytes + (fields && headerBytes === INFO_HEADER ? 12 : 0);
  return {
    width,
    height: Math.abs(signedHeight),
    topDown: signedHeight < 0,
    bits,
    masks,
    paletteAt: afterHeader,
    paletteEntry: core ? 3 : 4,
    pixelsAt,
  };
}

/** Writes one row, which starts at `at` in the file, as red, green and blue. */
type PutRow = (at: number, into: Uint8Array) => void;

function paletteRow(bytes: Buffer, { bits, paletteAt, paletteEntry, pixelsAt }: Layout): PutRow {
  const end = Math.min(pixelsAt, bytes.length);
  const perByte = 8 / bits;
  return (at, into) => {
    for (let x = 0; x * 3 < into.length; x++) {
      const byte = bytes[at + Math.floor(x / perByte)] ?? 0;
      const index = (byte >> (8 - bits * ((x % perByte) + 1))) & ((1 << bits) - 1);
      const entry = paletteAt + index * paletteEntry;
      if (entry + 3 > end) throw new ImageProblem(`the BMP palette has no colour ${index}`);
      into[x * 3] = bytes[entry + 2] ?? 0;
      into[x * 3 + 1] = bytes[entry + 1] ?? 0;
      into[x * 3 + 2] = bytes[entry] ?? 0;
    }
  };
}

function plainRow(bytes: Buffer): PutRow {
  return (at, into) => {
    for (let i = 0; i < into.length; i += 3) {
      into[i] = bytes[at + i + 2] ?? 0;
      into[i + 1] = bytes[at + i + 1] ?? 0;
      into[i + 2] = bytes[at + i] ?? 0;
    }
  };
}

function maskedRow(bytes: Buffer, { bits, masks }: Layout): PutRow {
  const channels = masks.map((mask) => {
    const shift = mask === 0 ? 0 : 31 - Math.clz32(mask & -mask);
    return { mask, shift, most: mask >>> shift };
  });
  const size = bits / 8;
  return (at, into) => {
    for (let x = 0; x * 3 < into.length; x++) {
      const value = size === 2 ? bytes.readUInt16LE(at + x * 2) : bytes.readUInt32LE(at + x * 4);
      channels.forEach(({ mask, shift, most }, channel) => {
        const level = (value & mask) >>> shift;
        into[x * 3 + channel] = most === 0 ? 0 : most === 255 ? level : Math.floor((level * 255) / most);
      });
    }
  };
}
