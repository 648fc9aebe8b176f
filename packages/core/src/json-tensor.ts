/**
 * JSON values to tensors and back: the reference meaning of a tensor in JSON. The serving room scans text faster; it
 * must agree with this file on every input, so the rules are few and strict. Nothing is coerced.
 *
 * | dtype                   | accepted                                                                              |
 * |-------------------------|---------------------------------------------------------------------------------------|
 * | bool                    | `true`, `false`                                                                       |
 * | [u]int8, 16, 32         | a number that is whole and in range (`3`, `3.0`, `3e0` and `-0` are the same number)    |
 * | [u]int64                | a safe integer, or a bigint or decimal string (`-?` digits, no leading zero) in range   |
 * | float16, 32, 64         | a finite number that stays finite when rounded to the dtype; "NaN", "Infinity", "-Infinity" |
 * | string                  | a string, or a `Uint8Array` put there by whoever decoded one                           |
 *
 * - A number too large for a double (`1e999`) has become infinite while parsing and is refused like any other overflow.
 *   Rounding and underflow to zero are not errors.
 * - A tensor of rank r is r levels of arrays. All arrays of a level have the same length, and the fixed dimensions
 *   of the spec hold. Symbolic names are checked between inputs by `validateInputs`, not here.
 * - Below an empty array there is nothing to see: dimensions there are those of the spec when fixed, otherwise 0.
 * - Without a rank in the spec (`shape: null`), the nesting of the first elements decides.
 *
 * Errors are TENSOR_INVALID; `where` is the path of the offending element: `input "x"[3][0]`.
 */
import { ARRAY_OF, type DType, type StringElement } from './dtype.ts';
import { fail, type SlipwayError } from './errors.ts';
import { float16ToNumber, numberToFloat16 } from './float16.ts';
import { LIMITS } from './limits.ts';
import type { TensorSpec } from './signature.ts';
import { elementCount, type Tensor } from './tensor.ts';

/** Digits of 2^64, and a sign. Longer strings cannot be in range, and parsing them would cost quadratic time. */
const MAX_INTEGER_CHARACTERS = 20;

const INTEGER_RANGE = {
  uint8: [0, 0xff],
  uint16: [0, 0xffff],
  uint32: [0, 0xffffffff],
  int8: [-0x80, 0x7f],
  int16: [-0x8000, 0x7fff],
  int32: [-0x80000000, 0x7fffffff],
} as const;

const WIDE_RANGE = {
  uint64: [0n, 0xffffffffffffffffn],
  int64: [-0x8000000000000000n, 0x7fffffffffffffffn],
} as const;

const NON_FINITE: ReadonlyMap<unknown, number> = new Map([
  ['NaN', Number.NaN],
  ['Infinity', Number.POSITIVE_INFINITY],
  ['-Infinity', Number.NEGATIVE_INFINITY],
]);

/**
 * One input from a parsed JSON value.
 * @param where what to call the value in errors, usually `input "NAME"`
 * @throws TENSOR_INVALID
 */
export function tensorFromJson(value: unknown, spec: TensorSpec, where: string): Tensor {
  const shape = shapeOf(value, spec, where);
  // Before anything is allocated: then every element the shape promises exists, and memory is in proportion to the input.
  checkNesting(value, shape, 0, where, []);
  const count = elementCount(shape, where);
  const store = spec.dtype === 'string' ? new Array<StringElement>(count) : new ARRAY_OF[spec.dtype](count);
  const target = store as { [index: number]: number | bigint | StringElement };
  const rank = shape.length;
  let next = 0;
  const fillFrom = (level: unknown, axis: number): void => {
    if (axis === rank) {
      const element = elementFromJson(level, spec.dtype);
      if (typeof element === 'object' && 'problem' in element) {
        throw invalid(pathOf(where, shape, next), element.problem);
      }
      target[next++] = element;
      return;
    }
    for (const child of level as unknown[]) fillFrom(child, axis + 1);
  };
  if (count > 0) fillFrom(value, 0);
  return { dtype: spec.dtype, shape, data: store } as Tensor;
}

/** The value an element of `dtype` holds for a JSON value (float16 as bits, bool as 0 or 1), or why there is none. */
function elementFromJson(value: unknown, dtype: DType): number | bigint | StringElement | { readonly problem: string } {
  switch (dtype) {
    case 'string':
      return typeof value === 'string' || value instanceof Uint8Array ? value : expected('a string', value);
    case 'bool':
      return typeof value === 'boolean' ? Number(value) : expected('true or false', value);
    case 'float16':
    case 'float32':
    case 'float64':
      return floatFromJson(value, dtype);
    case 'int64':
    case 'uint64':
      return wideFromJson(value, dtype);
    default: {
      if (typeof value !== 'number') return expected('a whole number', value);
      if (!Number.isInteger(value)) return { problem: `${value} is not a whole number, as ${dtype} needs` };
      const [least, most] = INTEGER_RANGE[dtype];
      if (value < least || value > most) return { problem: `${value} does not fit ${dtype} (${least} to ${most})` };
      return value === 0 ? 0 : value;
    }
  }
}

function floatFromJson(value: unknown, dtype: 'float16' | 'float32' | 'float64'): number | { problem: string } {
  const number = typeof value === 'number' ? value : NON_FINITE.get(value);
  if (number === undefined) return expected('a number, "NaN", "Infinity" or "-Infinity"', value);
  const bits = dtype === 'float16' ? numberToFloat16(number) : 0;
  if (typeof value === 'number') {
    const rounded = dtype === 'float32' ? Math.fround(value) : dtype === 'float16' ? float16ToNumber(bits) : value;
    if (!Number.isFinite(rounded)) {
      return {
        problem: `${value} does not fit ${dtype}; an infinity or NaN is written as the string "Infinity" or "NaN"`,
      };
    }
  }
  return dtype === 'float16' ? bits : number;
}

function wideFromJson(value: unknown, dtype: 'int64' | 'uint64'): bigint | { problem: string } {
  const [least, most] = WIDE_RANGE[dtype];
  let whole: bigint;
  if (typeof value === 'bigint') whole = value;
  else if (typeof value === 'number') {
    if (!Number.isInteger(value)) return { problem: `${value} is not a whole number, as ${dtype} needs` };
    if (!Number.isSafeInteger(value)) {
      return { problem: `${value} is beyond 2^53, where JSON numbers lose digits; write it as a decimal string` };
    }
    whole = BigInt(value);
  } else if (typeof value === 'string') {
    if (value.length > MAX_INTEGER_CHARACTERS || !/^-?(?:0|[1-9]\d*)$/.test(value)) {
      return expected('a whole number or one as a decimal string', value);
    }
    whole = BigInt(value);
  } else return expected('a whole number or one as a decimal string', value);
  if (whole < least || whole > most) return { problem: `${whole} does not fit ${dtype} (${least} to ${most})` };
  return whole;
}

/** The shape that the first elements and the spec agree on. Checks ranks and fixed dimensions on that path only. */
function shapeOf(value: unknown, spec: TensorSpec, where: string): number[] {
  const shape: number[] = [];
  const path = (): string =>
    pathOf(
      where,
      null,
      0,
      shape.map(() => 0),
    );
  for (
    let level = value, seen = true;
    spec.shape === null ? seen && Array.isArray(level) : shape.length < spec.shape.length;
  ) {
    const dim = spec.shape?.[shape.length];
    if (!seen) {
      shape.push(typeof dim === 'number' ? dim : 0);
      continue;
    }
    if (!Array.isArray(level)) {
      throw invalid(path(), expected(`an array (rank ${spec.shape?.length ?? 0} is expected)`, level).problem);
    }
    if (typeof dim === 'number' && level.length !== dim) {
      throw invalid(path(), `has ${level.length} elements, expected ${dim} (shape [${(spec.shape ?? []).join(', ')}])`);
    }
    if (shape.length >= LIMITS.maxRank) throw invalid(path(), `is nested deeper than ${LIMITS.maxRank} levels`);
    shape.push(level.length);
    seen = level.length > 0;
    level = (level as unknown[])[0];
  }
  return shape;
}

/** Every array of a level has the length of its axis. Depth is bounded by the rank. */
function checkNesting(value: unknown, shape: readonly number[], axis: number, where: string, at: number[]): void {
  const size = shape[axis];
  if (size === undefined) return;
  if (!Array.isArray(value)) {
    throw invalid(pathOf(where, null, 0, at), expected(`an array of ${size} elements`, value).problem);
  }
  if (value.length !== size) {
    throw invalid(
      pathOf(where, null, 0, at),
      `has ${value.length} elements where its neighbours have ${size}; arrays must not be ragged`,
    );
  }
  if (axis + 1 >= shape.length) return;
  for (let index = 0; index < size; index++) {
    at.push(index);
    checkNesting(value[index], shape, axis + 1, where, at);
    at.pop();
  }
}

/** `input "x"[3][0]`: either of an element, by its position in row-major order, or of the indices given. */
function pathOf(
  where: string,
  shape: readonly number[] | null,
  position: number,
  indices: readonly number[] = [],
): string {
  let path = indices;
  if (shape !== null) {
    let rest = position;
    path = [...shape]
      .reverse()
      .map((dim) => {
        const index = rest % dim;
        rest = Math.floor(rest / dim);
        return index;
      })
      .reverse();
  }
  return where + path.map((index) => `[${index}]`).join('');
}

function invalid(where: string, problem: string): SlipwayError {
  return fail('TENSOR_INVALID', { where, problem });
}

function expected(what: string, value: unknown): { problem: string } {
  return { problem: `is ${describe(value)}, expected ${what}` };
}

/** For messages: short whatever was sent. */
function describe(value: unknown): string {
  if (value === null || typeof value === 'boolean' || typeof value === 'number') return String(value);
  if (typeof value === 'bigint') return `the bigint ${value}`.slice(0, 40);
  if (typeof value === 'string') {
    return `the string ${JSON.stringify(value.length > 24 ? `${value.slice(0, 24)}…` : value)}`;
  }
  if (Array.isArray(value)) return 'an array';
  return value === undefined ? 'missing' : 'an object';
}

/**
 * A tensor as nested arrays that `JSON.stringify` can write and `tensorFromJson` reads back: non-finite floats and
 * 64-bit integers beyond 2^53 become strings. float16 and float32 are given exactly, as the doubles they equal.
 * (`JSON.stringify` writes -0 as 0.)
 */
export function tensorToJson(value: Tensor): unknown {
  const element = elementWriter(value);
  let next = 0;
  const level = (axis: number): unknown => {
    const size = value.shape[axis];
    if (size === undefined) return element(next++);
    return Array.from({ length: size }, () => level(axis + 1));
  };
  return level(0);
}

function elementWriter(value: Tensor): (index: number) => unknown {
  switch (value.dtype) {
    case 'bool':
      return (index) => value.data[index] !== 0;
    case 'float16':
      return (index) => floatToJson(float16ToNumber(value.data[index] ?? 0));
    case 'float32':
    case 'float64':
      return (index) => floatToJson(value.data[index] ?? 0);
    case 'int64':
    case 'uint64':
      return (index) => wideToJson(value.data, index);
    default:
      return (index) => value.data[index];
  }
}

const floatToJson = (value: number): number | string => (Number.isFinite(value) ? value : String(value));

function wideToJson(data: ArrayLike<bigint>, index: number): number | string {
  const number = Number(data[index] ?? 0n);
  return Number.isSafeInteger(number) ? number : String(data[index]);
}
