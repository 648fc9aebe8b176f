/**
 * NumPy's `.npz`: named arrays in one ZIP archive. Reads what `numpy.savez` and `savez_compressed` write; writes
 * deterministic bytes (golden samples are stored this way and addressed by digest).
 */
import { fail } from './errors.ts';
import { LIMITS } from './limits.ts';
import { parseNpy, writeNpy } from './npy.ts';
import { readFileBounded } from './read-file.ts';
import type { Tensor } from './tensor.ts';
import { readZip, writeZip } from './zip.ts';

const SUFFIX = '.npy';

/**
 * The arrays of an archive by name, in its order.
 * @param source the archive, or the path of its file
 * @param where what to call it in errors
 * @param maxBytes bound on the arrays, unpacked, all together
 * @throws DATA_FORMAT, FILE_NOT_FOUND, FILE_UNREADABLE
 */
export function readNpz(
  source: Uint8Array | string,
  where = typeof source === 'string' ? source : '.npz',
  maxBytes: number = LIMITS.maxArrayBytes,
): Map<string, Tensor> {
  const bytes = typeof source === 'string' ? readFileBounded(source, LIMITS.maxArrayBytes) : source;
  const arrays = new Map<string, Tensor>();
  for (const [name, content] of readZip(bytes, where, maxBytes)) {
    if (!name.endsWith(SUFFIX) || name === SUFFIX) {
      throw fail('DATA_FORMAT', { path: where, problem: `the entry "${name}" is not an array (NAME.npy)` });
    }
    arrays.set(name.slice(0, -SUFFIX.length), parseNpy(content, `${where}: ${name}`));
  }
  return arrays;
}

/**
 * Equal arrays under equal names give equal bytes, in whatever order they come.
 * @param packing `stored` is what `numpy.savez` does: larger, and made many times faster
 * @throws DATA_FORMAT, TENSOR_INVALID
 */
export function writeNpz(
  entries: Iterable<readonly [string, Tensor]>,
  packing: 'deflated' | 'stored' = 'deflated',
): Uint8Array {
  const files = new Map<string, Uint8Array>();
  for (const [name, value] of entries) {
    if (files.has(name + SUFFIX)) {
      throw fail('DATA_FORMAT', { path: '.npz', problem: `two arrays are named "${name}"` });
    }
    files.set(name + SUFFIX, writeNpy(value));
  }
  return writeZip(files, '.npz', packing === 'stored' ? 0 : 6);
}
