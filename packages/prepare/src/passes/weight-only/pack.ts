/**
 * Codes in bytes, the lowest bits first, in the three layouts there are:
 *
 * - `MatMulNBits`: [rows, blocks, bytes of a block], every row padded to whole blocks; zero points [rows, bytes of a row's].
 * - `GatherBlockQuantized` with uint8: [rows, bytes of a row], not padded to blocks.
 * - a tensor of int4, uint2 … for `DequantizeLinear`: the elements of the whole tensor one after the other.
 *
 * In all of them a byte holds consecutive elements, so all are one function over rows of some length.
 */
import { type Bits, type Blocks, blocksPerRow, middleCode } from './blocks.ts';

/**
 * Rows of `columns` codes to rows of whole bytes, [rows, ⌈width · bits / 8⌉].
 * @param width what each row is padded to with zeros; default: not padded
 */
export function packRows(codes: Uint8Array, columns: number, bits: Bits, width: number = columns): Uint8Array {
  const rows = columns === 0 ? 0 : codes.length / columns;
  const perByte = 8 / bits;
  const stride = Math.ceil(width / perByte);
  const packed = new Uint8Array(rows * stride);
  for (let row = 0; row < rows; row++) {
    const from = row * columns;
    const to = row * stride;
    for (let column = 0; column < columns; column++) {
      const at = to + Math.floor(column / perByte);
      packed[at] = (packed[at] ?? 0) | ((codes[from + column] ?? 0) << ((column % perByte) * bits));
    }
  }
  return packed;
}

/** B of MatMulNBits. What pads the last block is the code of zero. */
export function packForMatMul(blocks: Blocks): Uint8Array {
  const { codes, rows, columns, bits, blockSize, zeroPoints } = blocks;
  const perRow = blocksPerRow(blocks);
  const width = perRow * blockSize;
  if (width === columns) return packRows(codes, columns, bits);
  const padded = new Uint8Array(rows * width);
  for (let row = 0; row < rows; row++) {
    padded.set(codes.subarray(row * columns, (row + 1) * columns), row * width);
    const zero = Math.round(zeroPoints[(row + 1) * perRow - 1] ?? middleCode(blocks));
    padded.fill(zero, row * width + columns, (row + 1) * width);
  }
  return packRows(padded, width, bits);
}

/** Zero points of MatMulNBits and GatherBlockQuantized: packed like codes, every row to whole bytes. */
export function packZeroPoints(blocks: Blocks): Uint8Array {
  return packRows(Uint8Array.from(blocks.zeroPoints), blocksPerRow(blocks), blocks.bits);
}

/** A [rows, columns] matrix with its axes swapped, in tiles so that both sides stay in the cache. */
export function transposeInto<T extends Uint8Array | Float32Array>(from: T, rows: number, columns: number, into: T): T {
  const tile = 64;
  for (let top = 0; top < rows; top += tile) {
    const bottom = Math.min(top + tile, rows);
    for (let left = 0; left < columns; left += tile) {
      const right = Math.min(left + tile, columns);
      for (let row = top; row < bottom; row++) {
        for (let column = left; column < right; column++) {
          into[column * rows + row] = from[row * columns + column] ?? 0;
        }
      }
    }
  }
  return into;
}
