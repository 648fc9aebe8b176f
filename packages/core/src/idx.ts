/**
 * IDX, the format of MNIST: a four-byte magic (two zeros, element type, rank), the sizes and the elements, all
 * big-endian; often gzipped. The header says how many bytes must follow, so inflating is bounded by it.
 *
 * Format: the description at the end of http://yann.lecun.com/exdb/mnist/
 */
import { constants, gunzipSync } from 'node:zlib';
import { plausibleCount, swapBytes } from './byte-order.ts';
import { BYTES_PER_ELEMENT, type NumericDType } from './dtype.ts';
import { fail } from './errors.ts';
import { LIMITS } from './limits.ts';
import { fromBytes, type Tensor } from './tensor.ts';

const DTYPE_OF_CODE: Readonly<Record<number, NumericDType>> = {
  0x08: 'uint8',
  0x09: 'int8',
  0x0b: 'int16',
  0x0c: 'int32',
  0x0d: 'float32',
  0x0e: 'float64',
};

/** Compressed bytes that are sure to hold the header; inflated they are at most 4 MiB. */
const HEADER_PROBE = 4096;

export function isGzip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b;
}

export function isIdx(bytes: Uint8Array): boolean {
  return bytes[0] === 0 && bytes[1] === 0 && (bytes[2] ?? 0) in DTYPE_OF_CODE && bytes.length >= 4;
}

/**
 * @param bytes the file, gzipped or not
 * @throws DATA_FORMAT
 */
export function parseIdx(bytes: Uint8Array, where: string): Tensor {
  const bad = (problem: string): Error => fail('DATA_FORMAT', { path: where, problem });
  const head = isGzip(bytes) ? inflate(bytes.subarray(0, HEADER_PROBE), bad) : bytes;
  if (!isIdx(head)) throw bad('not an IDX file (it does not start with 0, 0, an element type and a rank)');
  const dtype = DTYPE_OF_CODE[head[2] ?? 0] ?? 'uint8';
  const rank = head[3] ?? 0;
  if (rank === 0 || rank > LIMITS.maxRank) throw bad(`rank ${rank} is not between 1 and ${LIMITS.maxRank}`);
  const start = 4 + 4 * rank;
  if (head.length < start) throw bad('the IDX header is cut off');
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  const shape = Array.from({ length: rank }, (_, axis) => view.getUint32(4 + 4 * axis));
  const size = BYTES_PER_ELEMENT[dtype];
  const count = plausibleCount(shape);
  if (count === null) throw bad(`no array has the shape [${shape.join(', ')}]`);
  const needed = start + count * size;
  if (needed > LIMITS.maxArrayBytes) throw bad(`needs ${needed} bytes, more than the limit of ${LIMITS.maxArrayBytes}`);
  const file = isGzip(bytes) ? inflate(bytes, bad, needed) : bytes;
  if (file.length !== needed) {
    throw bad(`shape [${shape.join(', ')}] of ${dtype} needs ${needed} bytes, the file has ${file.length}`);
  }
  const body = size === 1 ? file.subarray(start) : swapBytes(file.subarray(start), size);
  return fromBytes(dtype, shape, body, where);
}

/** Without `needed`, as much as there is of the beginning; with it, everything, and no more than that. */
function inflate(bytes: Uint8Array, bad: (problem: string) => Error, needed?: number): Uint8Array {
  try {
    return needed === undefined
      ? gunzipSync(bytes, { finishFlush: constants.Z_SYNC_FLUSH })
      : gunzipSync(bytes, { maxOutputLength: needed });
  } catch (error) {
    const expected = needed === undefined ? '' : ` to the ${needed} bytes its header declares`;
    throw bad(`cannot be inflated${expected}: ${error instanceof Error ? error.message : String(error)}`);
  }
}
