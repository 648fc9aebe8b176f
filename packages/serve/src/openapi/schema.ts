/** JSON Schema (2020-12, as OpenAPI 3.1 has it) of tensors as protocols write them. */
import type { Dim, DType, TensorSpec } from '@slipway/core';

export type Schema = Readonly<Record<string, unknown>>;

const NON_FINITE: Schema = { type: 'string', enum: ['NaN', 'Infinity', '-Infinity'] };

const whole = (minimum: number, maximum: number): Schema => ({ type: 'integer', minimum, maximum });
const wide = (minimum: number, maximum: number, pattern: string): Schema => ({
  anyOf: [whole(minimum, maximum), { type: 'string', pattern, description: 'beyond 2^53, as text' }],
});
const float = (limit: number): Schema => ({
  anyOf: [{ type: 'number', minimum: -limit, maximum: limit }, NON_FINITE],
});

/** One element. Integers of 64 bits that JSON readers would round may be text; so must what JSON has no number for. */
const ELEMENT: Readonly<Record<DType, Schema>> = {
  bool: { type: 'boolean' },
  uint8: whole(0, 255),
  uint16: whole(0, 65_535),
  uint32: whole(0, 4_294_967_295),
  uint64: wide(0, Number.MAX_SAFE_INTEGER, '^(0|[1-9][0-9]{0,18})$'),
  int8: whole(-128, 127),
  int16: whole(-32_768, 32_767),
  int32: whole(-2_147_483_648, 2_147_483_647),
  int64: wide(Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER, '^(0|-?[1-9][0-9]{0,17})$'),
  float16: float(65_504),
  float32: float(3.4e38),
  float64: float(1.7e308),
  string: { type: 'string' },
};

/** In answers integers are always written as numbers. */
const WRITTEN: Readonly<Partial<Record<DType, Schema>>> = {
  int64: { type: 'integer' },
  uint64: { type: 'integer', minimum: 0 },
};

/** `bare`: as TensorFlow Serving writes, with the tokens NaN and Infinity, which are no JSON and read as null by some. */
export type Direction = 'read' | 'written' | 'bare';

export function elementSchema(dtype: DType, direction: Direction): Schema {
  if (direction === 'bare' && dtype.startsWith('float')) return { type: ['number', 'null'] };
  return (direction === 'read' ? undefined : WRITTEN[dtype]) ?? ELEMENT[dtype];
}

/** Nested arrays, one level for each axis; of unknown rank, anything. */
export function nestedSchema({ dtype, shape }: Pick<TensorSpec, 'dtype' | 'shape'>, direction: Direction): Schema {
  const element = elementSchema(dtype, direction);
  if (shape === null) return { description: `${dtype}, of any rank` };
  return shape.reduceRight<Schema>((items, dim) => arrayOf(items, dim, direction), element);
}

const arrayOf = (items: Schema, dim: Dim, direction: Direction): Schema =>
  typeof dim === 'number'
    ? { type: 'array', items, minItems: dim, maxItems: dim }
    : { type: 'array', items, description: dim, ...(direction === 'read' ? { minItems: 1 } : {}) };

/** One row: the tensor without its first axis. */
export const rowSpec = (spec: TensorSpec): Pick<TensorSpec, 'dtype' | 'shape'> => ({
  dtype: spec.dtype,
  shape: spec.shape?.slice(1) ?? null,
});

/** An object with exactly these members. */
export function objectOf(members: readonly (readonly [string, Schema])[], optional: readonly string[] = []): Schema {
  const required = members.map(([name]) => name).filter((name) => !optional.includes(name));
  return {
    type: 'object',
    properties: Object.fromEntries(members),
    ...(required.length > 0 ? { required } : {}),
    additionalProperties: false,
  };
}
