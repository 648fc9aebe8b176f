/**
 * NumPy's `.npy`: one array per file. Reads format versions 1, 2 and 3, either byte order and either memory
 * layout; numbers stay a view of the file where they are little-endian, row-major and aligned. Writes one
 * way only (version 1.0, little-endian, row-major, header padded to 64 bytes), so equal tensors have equal bytes.
 *
 * Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 *
 * `U` (UCS-4) and `S` (read as UTF-8) arrays become strings, without the NULs that pad them. Structured, object,
 * complex and date arrays are refused; `O` would need unpickling, which executes code.
 */
import { plausibleCount, swapBytes } from './byte-order.ts';
import { BYTES_PER_ELEMENT, type NumericDType } from './dtype.ts';
import { fail } from './errors.ts';
import { LIMITS } from './limits.ts';
import { bytesOf, fromBytes, type Tensor, textsOf } from './tensor.ts';

const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59] as const;
const ALIGNMENT = 64;

const DTYPE_OF_CODE: Readonly<Record<string, NumericDType>> = {
  b1: 'bool',
  u1: 'uint8',
  u2: 'uint16',
  u4: 'uint32',
  u8: 'uint64',
  i1: 'int8',
  i2: 'int16',
  i4: 'int32',
  i8: 'int64',
  f2: 'float16',
  f4: 'float32',
  f8: 'float64',
};
const CODE_OF_DTYPE = Object.fromEntries(
  Object.entries(DTYPE_OF_CODE).map(([code, dtype]) => [dtype, code]),
) as Readonly<Record<NumericDType, string>>;

interface Header {
  readonly descr: string;
  readonly fortranOrder: boolean;
  readonly shape: readonly number[];
}

export function isNpy(bytes: Uint8Array): boolean {
  return MAGIC.every((byte, index) => bytes[index] === byte);
}

/**
 * @param where what to call the array in errors: the path of its file
 * @throws DATA_FORMAT
 */
export function parseNpy(bytes: Uint8Array, where: string): Tensor {
  const bad = (problem: string): Error => fail('DATA_FORMAT', { path: where, problem });
  if (!isNpy(bytes)) throw bad('not a .npy file (it does not start with \\x93NUMPY)');
  const major = bytes[6] ?? 0;
  if (major < 1 || major > 3) throw bad(`.npy format version ${major} is unknown`);
  const start = major === 1 ? 10 : 12;
  if (bytes.length < start) throw bad('the .npy header is cut off');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = major === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  if (length > LIMITS.maxNpyHeaderBytes) {
    throw bad(`the .npy header claims ${length} bytes, more than the limit of ${LIMITS.maxNpyHeaderBytes}`);
  }
  if (start + length > bytes.length) throw bad('the .npy header is cut off');
  const text = Buffer.from(bytes.buffer, bytes.byteOffset + start, length).toString(major === 3 ? 'utf8' : 'latin1');
  const header = parseHeader(text);
  if (typeof header === 'string') throw bad(header);
  return parseBody(header, bytes.subarray(start + length), where);
}

function parseBody({ descr, fortranOrder, shape }: Header, body: Uint8Array, where: string): Tensor {
  const bad = (problem: string): Error => fail('DATA_FORMAT', { path: where, problem });
  if (shape.length > LIMITS.maxRank) throw bad(`rank ${shape.length} is more than the limit of ${LIMITS.maxRank}`);
  const [, order = '', code = ''] = /^([<>|=]?)([A-Za-z]\d+)$/.exec(descr === '?' ? 'b1' : descr) ?? [];
  const dtype = Object.hasOwn(DTYPE_OF_CODE, code) ? DTYPE_OF_CODE[code] : undefined;
  const textual = /^[US]/.test(code);
  if (dtype === undefined && !textual) throw bad(`arrays of NumPy type ${JSON.stringify(descr)} are not supported`);
  const size = dtype === undefined ? Number(code.slice(1)) * (code.startsWith('U') ? 4 : 1) : BYTES_PER_ELEMENT[dtype];
  const count = plausibleCount(shape);
  if (count === null) throw bad(`no array has the shape [${shape.join(', ')}]`);
  // Without this, strings of no bytes at all would let a tiny file claim any number of elements.
  if (size === 0 && count > 0) throw bad(`${count} elements of type ${JSON.stringify(descr)} have no size`);
  if (count * size !== body.byteLength) {
    throw bad(
      `shape [${shape.join(', ')}] of ${descr} needs ${count * size} bytes of data, the file has ${body.byteLength}`,
    );
  }
  const native = order === '>' && size > 1 && code[0] !== 'S' ? swapBytes(body, code.startsWith('U') ? 4 : size) : body;
  const stored = fortranOrder ? [...shape].reverse() : shape;
  const read: Tensor =
    dtype === undefined
      ? { dtype: 'string', shape: stored, data: readStrings(native, code.startsWith('U'), size, count, where) }
      : fromBytes(dtype, stored, native, where);
  if (dtype === 'bool' && (read.data as Uint8Array).some((byte) => byte > 1)) {
    throw bad('a bool element is neither 0 nor 1');
  }
  return fortranOrder ? transposed(read) : read;
}

/** The dictionary literal of a header, or what is wrong with it. No `eval`: exactly the three keys, in any order. */
function parseHeader(text: string): Header | string {
  const entry = /\s*(['"])(\w*)\1\s*:\s*(?:(['"])([^'"\\]*)\3|(True|False)|\(([\dL,\s]*)\))\s*(,?)/y;
  const opening = /^\s*\{/.exec(text);
  const found = new Map<string, string>();
  let at = opening?.[0].length ?? 0;
  for (let more = opening !== null; more;) {
    entry.lastIndex = at;
    const match = entry.exec(text);
    if (match === null) break;
    const [whole, , key = '', , descr, flag, dims, comma] = match;
    const kind = descr !== undefined ? 'descr' : flag !== undefined ? 'fortran_order' : 'shape';
    if (key !== kind || found.has(key)) return `the .npy header has an unexpected "${key}"`;
    found.set(key, descr ?? flag ?? dims ?? '');
    at += whole.length;
    more = comma === ',';
  }
  const [descr, order, dims] = [found.get('descr'), found.get('fortran_order'), found.get('shape')];
  if (descr === undefined || order === undefined || dims === undefined || !/^\s*\}\s*$/.test(text.slice(at))) {
    return 'the .npy header is not a dictionary of descr (a simple type), fortran_order and shape';
  }
  // `(3,)` has one dimension, `()` none; Python 2 wrote `3L`.
  const parts = dims.split(',').map((part) => part.trim());
  if (parts.at(-1) === '') parts.pop();
  if (!parts.every((part) => /^\d{1,16}L?$/.test(part))) return `the .npy shape (${dims}) is not a tuple of sizes`;
  const shape = parts.map((part) => Number.parseInt(part, 10));
  return { descr, fortranOrder: order === 'True', shape };
}

function readStrings(bytes: Uint8Array, wide: boolean, size: number, count: number, where: string): string[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  return Array.from({ length: count }, (_, index) => {
    const from = index * size;
    let end = from + size;
    if (!wide) {
      while (end > from && bytes[end - 1] === 0) end--;
      try {
        return utf8.decode(bytes.subarray(from, end));
      } catch (cause) {
        throw fail('DATA_FORMAT', { path: where, problem: `the string at index ${index} is not UTF-8` }, { cause });
      }
    }
    while (end > from && view.getUint32(end - 4, true) === 0) end -= 4;
    let text = '';
    for (let at = from; at < end; at += 4) {
      const point = view.getUint32(at, true);
      if (point > 0x10ffff) {
        throw fail('DATA_FORMAT', { path: where, problem: `the string at index ${index} is not Unicode` });
      }
      text += String.fromCodePoint(point);
    }
    return text;
  });
}

/** The tensor with its axes reversed: column-major data, read as row-major of the reversed shape, becomes row-major. */
function transposed(value: Tensor): Tensor {
  const shape = [...value.shape].reverse();
  if (shape.length < 2 || value.data.length === 0) return { ...value, shape };
  // Axis k of the result walks axis rank-1-k of the source, whose stride is the product of the result's sizes before k.
  const strides = shape.map((_, axis) => shape.slice(0, axis).reduce((product, dim) => product * dim, 1));
  const source = value.data as ArrayLike<unknown>;
  const target = value.data.slice() as { [index: number]: unknown };
  const index = shape.map(() => 0);
  let from = 0;
  for (let to = 0; to < source.length; to++) {
    target[to] = source[from];
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const next = (index[axis] ?? 0) + 1;
      const stride = strides[axis] ?? 0;
      if (next < (shape[axis] ?? 0)) {
        index[axis] = next;
        from += stride;
        break;
      }
      index[axis] = 0;
      from -= stride * (next - 1);
    }
  }
  return { dtype: value.dtype, shape, data: target as never };
}

/** @throws TENSOR_INVALID for a string that ends in NUL, which the format cannot tell from padding */
export function writeNpy(value: Tensor): Uint8Array<ArrayBuffer> {
  const strings = value.dtype === 'string' ? encodeStrings(textsOf(value)) : null;
  const code = value.dtype === 'string' ? `<U${strings?.width ?? 1}` : orderedCode(CODE_OF_DTYPE[value.dtype]);
  const body = value.dtype === 'string' ? (strings?.bytes ?? new Uint8Array()) : bytesOf(value.data);
  const dims = value.shape.length === 1 ? `${value.shape[0] ?? 0},` : value.shape.join(', ');
  const literal = `{'descr': '${code}', 'fortran_order': False, 'shape': (${dims}), }`;
  const prefix = MAGIC.length + 4;
  const total = Math.ceil((prefix + literal.length + 1) / ALIGNMENT) * ALIGNMENT;
  const bytes = new Uint8Array(total + body.byteLength);
  bytes.set([...MAGIC, 1, 0]);
  new DataView(bytes.buffer).setUint16(8, total - prefix, true);
  bytes.set(Buffer.from(literal.padEnd(total - prefix - 1) + '\n', 'latin1'), prefix);
  bytes.set(body, total);
  return bytes;
}

/** NumPy writes `|` where byte order has no meaning. */
const orderedCode = (code: string): string => `${code.endsWith('1') ? '|' : '<'}${code}`;

function encodeStrings(texts: readonly string[]): { width: number; bytes: Uint8Array } {
  const points = texts.map((text) => Array.from(text, (character) => character.codePointAt(0) ?? 0));
  const width = points.reduce((most, each) => Math.max(most, each.length), 1);
  const bytes = new Uint8Array(texts.length * width * 4);
  const view = new DataView(bytes.buffer);
  points.forEach((each, index) => {
    if (each.at(-1) === 0) {
      throw fail('TENSOR_INVALID', { where: `string ${index}`, problem: 'ends in NUL, which .npy cannot hold' });
    }
    each.forEach((point, position) => view.setUint32((index * width + position) * 4, point, true));
  });
  return { width, bytes };
}
